// The table of keys. docs/configuration.md is compared with it by a test.

#include <limits>

#include <francine/shares.h>

#include "server/config.h"

namespace francine::server {
namespace {

constexpr std::int64_t kMaxPort = 65'535;
constexpr std::int64_t kMaxCount = 1'000'000'000;
constexpr std::int64_t kMaxBytes = std::int64_t{1} << 50;
constexpr double kMaxSeconds = 1e7;
/// What workers take as milliseconds in 31 bits.
constexpr double kMaxOrphanSeconds = 2e6;
const std::vector<std::string_view> kLogLevels = {"debug", "info", "warning", "error"};
const std::vector<std::string_view> kLogFormats = {"text", "json"};

Settings connection_settings(MasterConfig& c) {
  return {
      {"restPort", IntegerTarget{&c.rest_port, 0, kMaxPort},
       "TCP port of the REST API; 0 picks a free one."},
      {"wsPort", IntegerTarget{&c.ws_port, 0, kMaxPort},
       "TCP port of the WebSocket API; 0 picks a free one."},
      {"dashboardPort", IntegerTarget{&c.dashboard_port, 0, kMaxPort},
       "TCP port of the dashboard; 0 picks a free one.", "the dashboard"},
      {"port", IntegerTarget{&c.port, 0, kMaxPort},
       "TCP port where workers dial in (JSON-RPC); 0 picks a free one."},
      {"resourcePort", IntegerTarget{&c.resource_port, 0, kMaxPort},
       "TCP port where workers fetch resources from the master; 0 picks a free one."},
      {"bindAddress", TextTarget{&c.bind_address},
       "Address of the REST and WebSocket ports; a loopback one, where there are no users."},
      {"clusterBindAddress", TextTarget{&c.cluster_bind_address},
       "Address of the port for workers and of the resource port."},
      {"tls.certificate", TextTarget{&c.tls.certificate},
       "PEM file with the certificate chain; with it, all ports speak TLS and nothing else."},
      {"tls.key", TextTarget{&c.tls.key}, "PEM file with the certificate's key, not encrypted."},
      {"tls.ca", TextTarget{&c.tls.ca},
       "PEM file with the CA that the certificates of master and workers come from; empty: "
       "those that the system trusts."},
      {"dataDir", TextTarget{&c.data_dir},
       "Directory for resources and results; empty: a temporary one, removed at the end."},
      {"logLevel", TextTarget{&c.log_level, kLogLevels}, "What is logged to standard error."},
      {"logFormat", TextTarget{&c.log_format, kLogFormats},
       "How it is logged: lines for people, or JSON objects."},
      {"requestLog", BoolTarget{&c.request_log},
       "Whether requests.log in dataDir tells who asked what, when, with what answer; never "
       "in a temporary directory."},
      {"maxRequestLogBytes", IntegerTarget{&c.max_request_log_bytes, 1 << 16, kMaxBytes},
       "Most bytes of the request log, older files (requests.log.1 and so on) included."},
  };
}

Settings cluster_settings(MasterConfig& c) {
  return {
      {"instanceType", TextTarget{&c.instance_type, {"local", "in_process", "static"}},
       "Where workers come from: processes of this machine, threads of the master, or "
       "whoever dials in with the cluster's secret."},
      {"instanceManagerType", TextTarget{&c.instance_manager_type, {"static", "twostate"}},
       "How many workers there should be: always staticInstanceSize, or by usage (twostate: "
       "accepted, works as static in this version)."},
      {"staticInstanceSize", IntegerTarget{&c.static_instance_size, 0, 100'000},
       "Number of workers; 0: for local one a core and at least 2, for in_process 1."},
      {"workerSlots", IntegerTarget{&c.worker_slots, 0, 4096},
       "Tasks that each worker runs at a time; 0: the cores, shared out."},
      {"manageInterval", RealTarget{&c.manage_interval, 0.01, kMaxSeconds},
       "Seconds between two looks at the number of workers."},
      {"disableZombieDestroy", BoolTarget{&c.disable_zombie_destroy},
       "Whether instances that nothing is heard of are left alone when they are replaced, for "
       "debugging."},
      {"orphanTimeout", RealTarget{&c.orphan_timeout, 0.1, kMaxOrphanSeconds},
       "Seconds that workers of this machine go on when the master was killed, before they "
       "end; a master that is started meanwhile with the same dataDir adopts them."},
      {"chaos", RealTarget{&c.chaos, 0, 100},
       "Chance, of 100, that a worker kills itself, at each chaosIntervalSeconds; for tests."},
      {"chaosIntervalSeconds", RealTarget{&c.chaos_interval_seconds, 0.001, 86'400},
       "Seconds between two times that each worker draws whether to do itself harm."},
      {"chaosKinds", ListTarget{&c.chaos_kinds},
       "What it does then, one of these: exit (dies at once), drop (breaks its connection), "
       "delay (says nothing for up to 5 s), fail (fails a task), diskFull (fails one as on a "
       "full disk)."},
      {"schedulerType", TextTarget{&c.scheduler_type, {"queue"}},
       "Which task goes to which worker."},
      {"clusterSecret",
       TextTarget{&c.cluster_secret},
       "What master and workers prove to each other; empty: a random one, for workers that "
       "the master starts.",
       {},
       true},
      {"clusterSecretFile", TextTarget{&c.cluster_secret_file},
       "File that holds the cluster's secret, instead of clusterSecret."},
      {"startTimeout", RealTarget{&c.start_timeout, 0.1, kMaxSeconds},
       "Seconds that the start waits for the first worker."},
      {"shutdownGrace", RealTarget{&c.shutdown_grace, 0, kMaxSeconds},
       "Seconds that requests have to end when the server is told to stop."},
      {"pingPeriod", RealTarget{&c.ping_period, 0.05, kMaxSeconds},
       "Seconds between two signs of life, sometimes a tenth less; a worker that gives none for "
       "two and a half times as long is lost."},
      {"firstTaskTimeout", RealTarget{&c.first_task_timeout, 0.1, kMaxSeconds},
       "Seconds that a task may take while nothing is known about its like."},
      {"minTaskTimeout", RealTarget{&c.min_task_timeout, 0.1, kMaxSeconds},
       "Seconds that every task may take."},
  };
}

Settings limit_settings(MasterConfig& c) {
  return {
      {"maxParallel", IntegerTarget{&c.max_parallel, 1, kMaxParallel},
       "Largest parallel of an execution."},
      {"maxPixels", IntegerTarget{&c.max_pixels, 1, std::int64_t{1} << 31},
       "Most pixels (width times height) of an image."},
      {"maxUpdateBytes", IntegerTarget{&c.max_update_bytes, 2, kMaxBytes},
       "Most bytes of an update, and of a session's updates put together."},
      {"maxUpdates", IntegerTarget{&c.max_updates, 1, kMaxCount}, "Most updates of a session."},
      {"maxSessions", IntegerTarget{&c.max_sessions, 1, kMaxCount}, "Most sessions."},
      {"maxSessionsPerUser", IntegerTarget{&c.max_sessions_per_user, 1, kMaxCount},
       "Most sessions of a user."},
      {"maxRunningExecutionsPerUser",
       IntegerTarget{&c.max_running_executions_per_user, 1, kMaxCount},
       "Most executions of a user that have not ended."},
      {"maxExecutionsPerSession", IntegerTarget{&c.max_executions_per_session, 1, kMaxCount},
       "Most executions of a session."},
      {"maxResourcesPerSession", IntegerTarget{&c.max_resources_per_session, 1, kMaxCount},
       "Most resources of a session."},
      {"maxResourceBytes", IntegerTarget{&c.max_resource_bytes, 1, kMaxBytes},
       "Most bytes of a resource."},
      {"maxUploadsPerUser", IntegerTarget{&c.max_uploads_per_user, 1, kMaxCount},
       "Most files of a user that are remembered as uploaded; those used longest ago are to be "
       "uploaded again."},
      {"maxUnfinishedUploadBytesPerUser",
       IntegerTarget{&c.max_unfinished_upload_bytes_per_user, 1, kMaxBytes},
       "Most bytes that the unfinished uploads of a user may come to; idle ones give way."},
      {"maxUnfinishedUploadAge", IntegerTarget{&c.max_unfinished_upload_age, 1, kMaxCount},
       "Seconds that an unfinished upload is kept without a byte more."},
      {"maxResultBytes", IntegerTarget{&c.max_result_bytes, 0, kMaxBytes},
       "Most bytes of all stored pictures together; the oldest are removed. 0: no bound."},
      {"maxResultAge", IntegerTarget{&c.max_result_age, 0, kMaxCount},
       "Seconds that the picture of a finished execution is kept. 0: for ever."},
      {"maxAttempts", IntegerTarget{&c.max_attempts, 1, 1000},
       "How often a task may fail before its execution does."},
      {"maxLosses", IntegerTarget{&c.max_losses, 1, 1000},
       "How often the worker of a task may die before its execution fails."},
  };
}

Settings traffic_settings(MasterConfig& c) {
  return {
      {"maxConnections", IntegerTarget{&c.max_connections, 1, 1'000'000},
       "Most open connections to the REST port; the one idle for longest gives way."},
      {"maxRequests", IntegerTarget{&c.max_requests, 1, 100'000},
       "Most REST requests that are being answered at a time, blocked ones included."},
      {"maxRequestsPerSecond", RealTarget{&c.max_requests_per_second, 0, 1e6},
       "Requests a second of a user, or of an address that sends no token; 0: any number. "
       "Loopback addresses without a token are not counted."},
      {"requestBurst", RealTarget{&c.request_burst, 1, 1e6},
       "Most of these requests at once, after a pause."},
      {"maxLogInFailuresPerMinute", RealTarget{&c.max_log_in_failures_per_minute, 0.1, 1e6},
       "Log-ins that may fail, of a user name and of an address."},
      {"logInBurst", RealTarget{&c.log_in_burst, 1, 1e6},
       "Most of these log-ins at once, after a pause."},
      {"maxLogInBytes", IntegerTarget{&c.max_log_in_bytes, 128, 1 << 20},
       "Most bytes of what strangers may send: POST /auth, and, where there are users, "
       "messages of a WebSocket connection that has not authenticated."},
      {"maxBodyBytes", IntegerTarget{&c.max_body_bytes, 1, std::int64_t{1} << 30},
       "Most bytes of a JSON request."},
      {"maxHeaderBytes", IntegerTarget{&c.max_header_bytes, 256, 1 << 20},
       "Most bytes of the headers of a request."},
      {"headerTimeout", RealTarget{&c.header_timeout, 0.1, kMaxSeconds},
       "Seconds that a client has to send its headers."},
      {"idleTimeout", RealTarget{&c.idle_timeout, 0.1, kMaxSeconds},
       "Seconds that a connection may be silent between two requests."},
      {"bodyGrace", RealTarget{&c.body_grace, 0.1, kMaxSeconds},
       "Seconds that a client may keep the server waiting for a body, beyond the time that "
       "minBytesPerSecond gives it."},
      {"answerGrace", RealTarget{&c.answer_grace, 0.1, kMaxSeconds},
       "The same for a client that reads its answer."},
      {"minBytesPerSecond", IntegerTarget{&c.min_bytes_per_second, 1, std::int64_t{1} << 30},
       "The rate at which bodies and answers must move in the end."},
  };
}

Settings web_socket_settings(MasterConfig& c) {
  constexpr std::int64_t kMinBuffer = 64 << 10;
  constexpr double kMaxWait = 3600;
  return {
      {"authenticationTimeout", RealTarget{&c.authentication_timeout, 0.1, kMaxWait},
       "Seconds that a WebSocket connection has to authenticate, where there are users."},
      {"maxInFlight", IntegerTarget{&c.max_in_flight, 1, 65'536},
       "Most commands of a WebSocket connection that are worked on at a time; as many pictures "
       "may be waited for, and as many executions subscribed to."},
      {"maxInboundBytes", IntegerTarget{&c.max_inbound_bytes, kMinBuffer, kMaxBytes},
       "Most bytes of WebSocket messages, over all connections, that have not come as a whole, "
       "and as many of those that wait to be worked on; never less than maxBodyBytes."},
      {"maxOutboxBytes", IntegerTarget{&c.max_outbox_bytes, kMinBuffer, std::int64_t{1} << 40},
       "Most bytes that wait for a WebSocket client to read; one picture may be larger."},
      {"wsPingPeriod", RealTarget{&c.ws_ping_period, 0.1, kMaxWait},
       "Seconds of silence after which a WebSocket client is pinged."},
      {"wsPongTimeout", RealTarget{&c.ws_pong_timeout, 0.1, kMaxWait},
       "Seconds that a WebSocket client has to answer that."},
      {"statusInterval", RealTarget{&c.status_interval, 0.05, kMaxWait},
       "Seconds after which enableStatus reports although nothing has changed."},
  };
}

Settings user_settings(MasterConfig& c) {
  return {
      {"users",
       MapTarget{&c.users},
       "Names of users and their passwords, as they are or as francine-server hash-password "
       "prints them; empty: whoever reaches the ports may use them.",
       {},
       true},
      {"privateKey",
       TextTarget{&c.private_key},
       "Key that signs API tokens, and seals what lets the farm read users' files elsewhere.",
       {},
       true},
      {"tokenLifetime", RealTarget{&c.token_lifetime, 1, 1e9},
       "Seconds after which a user has to log in again."},
      {"authorizeTimeout", IntegerTarget{&c.authorize_timeout, 1, kMaxCount},
       "Seconds that a user has from GET /auth/:resourceName until he hands over the code."},
      {"admins", ListTarget{&c.admins}, "Users who see and may change what belongs to others."},
      {"publicDemo", BoolTarget{&c.public_demo},
       "Whether GET / renders its picture without a token as well."},
      {"corsOrigins", ListTarget{&c.cors_origins},
       "Origins (https://example.org) whose pages may use the API from a browser; *: any."},
      {"allowedHosts", ListTarget{&c.allowed_hosts},
       "Names under which a server without users is reached, beside localhost and the like."},
  };
}

Settings provider_settings(MasterConfig& c) {
  auto& http = c.providers.http;
  auto& dropbox = c.providers.dropbox;
  auto& googledrive = c.providers.googledrive;
  auto& s3 = c.providers.s3;
  return {
      {"http.allowPrivate", BoolTarget{&http.allow_private},
       "Whether resources may come from addresses inside (loopback, private networks, the "
       "metadata of clouds): a way from any user to every service that the farm reaches."},
      {"dropbox.apiKey", TextTarget{&dropbox.api_key},
       "Key of the Dropbox application; empty: Dropbox is not used."},
      {"dropbox.apiSecret",
       TextTarget{&dropbox.api_secret},
       "Secret of the Dropbox application.",
       {},
       true},
      {"dropbox.redirectUri", TextTarget{&dropbox.redirect_uri},
       "Where Dropbox sends users who agree, as it is registered there; empty: it shows them the "
       "code."},
      {"dropbox.authorizeUrl", TextTarget{&dropbox.authorize_url}, "Where users agree."},
      {"dropbox.tokenUrl", TextTarget{&dropbox.token_url}, "Where codes become tokens."},
      {"dropbox.contentUrl", TextTarget{&dropbox.content_url},
       "Where files come from, without \"/2/files/download\"."},
      {"googledrive.clientId", TextTarget{&googledrive.client_id},
       "Client id of the Google application; empty: Google Drive is not used."},
      {"googledrive.clientSecret",
       TextTarget{&googledrive.client_secret},
       "Secret of the Google application.",
       {},
       true},
      {"googledrive.redirectUri", TextTarget{&googledrive.redirect_uri},
       "Where Google sends users who agree, as it is registered there."},
      {"googledrive.authorizeUrl", TextTarget{&googledrive.authorize_url}, "Where users agree."},
      {"googledrive.tokenUrl", TextTarget{&googledrive.token_url}, "Where codes become tokens."},
      {"googledrive.apiUrl", TextTarget{&googledrive.api_url},
       "Where files come from, without \"/drive/v3\"."},
      {"googledrive.scope", TextTarget{&googledrive.scope}, "What users are asked to permit."},
      {"s3.endpoint", TextTarget{&s3.endpoint},
       "URL of S3, or of what speaks as it does; empty: S3 is not used."},
      {"s3.bucket", TextTarget{&s3.bucket}, "The only bucket that users reach."},
      {"s3.region", TextTarget{&s3.region}, "Region of the bucket."},
      {"s3.accessKey", TextTarget{&s3.access_key}, "Id of the key that reads the bucket."},
      {"s3.secretKey", TextTarget{&s3.secret_key}, "That key.", {}, true},
      {"s3.pathStyle", BoolTarget{&s3.path_style},
       "Whether the bucket stands in the path, or else before the endpoint's host."},
      {"s3.prefix", TextTarget{&s3.prefix},
       "Stands before every key that a user names: \"scenes/\"."},
      {"file.roots", ListTarget{&c.file_roots},
       "Directories of the master whose files every user may have rendered; absolute. Empty: "
       "none."},
  };
}

Settings result_store_settings(MasterConfig& c) {
  auto& store = c.result_store;
  return {
      {"resultStore.endpoint", TextTarget{&store.endpoint},
       "URL of S3, or of what speaks as it does, where a copy of each finished picture is put; "
       "empty: nowhere."},
      {"resultStore.bucket", TextTarget{&store.bucket}, "Its bucket."},
      {"resultStore.region", TextTarget{&store.region}, "Region of the bucket."},
      {"resultStore.accessKey", TextTarget{&store.access_key},
       "Id of the key that may put objects there."},
      {"resultStore.secretKey", TextTarget{&store.secret_key}, "That key.", {}, true},
      {"resultStore.pathStyle", BoolTarget{&store.path_style},
       "Whether the bucket stands in the path, or else before the endpoint's host."},
      {"resultStore.prefix", TextTarget{&store.prefix},
       "What every key begins with, as it is: \"results/\"."},
  };
}

Settings pending_settings(MasterConfig& c) {
  constexpr std::string_view kGce = "the Google Compute Engine backend";
  return {
      {"ltePath", TextTarget{&c.lte_path}, "The lte renderer.", "that producer"},
      {"malliePath", TextTarget{&c.mallie_path}, "The Mallie renderer.", "that producer"},
      {"gce.project", TextTarget{&c.gce_project}, "Google Compute Engine project.", kGce},
      {"gce.zone", TextTarget{&c.gce_zone}, "Zone of the instances.", kGce},
      {"gce.masterMachineType", TextTarget{&c.gce_master_machine_type},
       "Machine type of the master.", kGce},
      {"gce.workerMachineType", TextTarget{&c.gce_worker_machine_type},
       "Machine type of the workers.", kGce},
      {"gce.isPreemptive", BoolTarget{&c.gce_is_preemptive}, "Whether workers are preemptible.",
       kGce},
      {"gce.prefix", TextTarget{&c.gce_prefix}, "Prefix of the instances' names.", kGce},
  };
}

}  // namespace

Settings master_settings(MasterConfig& config) {
  Settings all;
  for (Settings part :
       {connection_settings(config), cluster_settings(config), limit_settings(config),
        traffic_settings(config), web_socket_settings(config), user_settings(config),
        provider_settings(config), result_store_settings(config), pending_settings(config)}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Settings worker_settings(WorkerConfig& c) {
  return {
      {"name", TextTarget{&c.name},
       "Unique among the workers of a master; empty: made from the host's name and the process."},
      {"masterHost", TextTarget{&c.master_host}, "Host of the master."},
      {"port", IntegerTarget{&c.port, 1, kMaxPort}, "Port of the master for workers."},
      {"slots", IntegerTarget{&c.slots, 0, 4096}, "Tasks that run at a time; 0: one a core."},
      {"bindAddress", TextTarget{&c.bind_address}, "Address of the resource port."},
      {"advertisedHost", TextTarget{&c.advertised_host},
       "Host name under which others reach the resource port; empty: bindAddress."},
      {"zone", TextTarget{&c.zone},
       "Rack or zone of this worker: files come from workers of the same one where that takes no "
       "longer; empty: it does not say."},
      {"resourcePort", IntegerTarget{&c.resource_port, 0, kMaxPort},
       "TCP port that serves resources and partials to others; 0 picks a free one."},
      {"tls.certificate", TextTarget{&c.tls.certificate},
       "PEM file with the certificate chain; with it, the worker speaks TLS and nothing else."},
      {"tls.key", TextTarget{&c.tls.key}, "PEM file with the certificate's key, not encrypted."},
      {"tls.ca", TextTarget{&c.tls.ca},
       "PEM file with the CA that the certificates of master and workers come from; empty: "
       "those that the system trusts."},
      {"dataDir", TextTarget{&c.data_dir},
       "Directory for fetched resources; empty: a temporary one, removed at the end."},
      {"cacheBytes", IntegerTarget{&c.cache_bytes, 0, kMaxBytes},
       "Bytes of fetched resources kept; 0: no bound. Those used longest ago go, but never what "
       "a session needs."},
      {"partialBudgetBytes", IntegerTarget{&c.partial_budget_bytes, 1, kMaxBytes},
       "Bytes of partials kept for merging before no more are produced."},
      {"orphanTimeout",
       IntegerTarget{&c.orphan_timeout, 0, std::numeric_limits<std::int32_t>::max()},
       "Milliseconds without a master after which the worker ends."},
      {"clusterSecretFile", TextTarget{&c.cluster_secret_file},
       "File that holds the cluster's secret, instead of FRANCINE_CLUSTER_SECRET."},
      {"logLevel", TextTarget{&c.log_level, kLogLevels}, "What is logged to standard error."},
      {"logFormat", TextTarget{&c.log_format, kLogFormats},
       "How it is logged: lines for people, or JSON objects."},
  };
}

}  // namespace francine::server
