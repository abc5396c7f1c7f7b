#include "server/rest.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "api/answers.h"
#include "api/uploads.h"
#include "server/openapi.h"
#include "server/sent_token.h"

namespace francine::server {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr int kOk = 200;
constexpr int kCreated = 201;
constexpr int kNoContent = 204;
constexpr int kRequestTimeout = 408;
constexpr int kPreconditionFailed = 412;
constexpr int kUnsupportedMediaType = 415;
constexpr std::size_t kPiece = 16 << 10;

HttpResponse refusal(const Error& error) {
  HttpResponse response;
  response.status = api::http_status(error.code);
  response.body = api::error_json(error.message);
  const bool later =
      error.code == ErrorCode::kResourceExhausted || error.code == ErrorCode::kUnavailable;
  if (later) {
    const std::uint32_t seconds = error.retry_after_s == 0 ? 1 : error.retry_after_s;
    response.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  if (error.code == ErrorCode::kUnauthenticated) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"francine\"");
  }
  return response;
}

HttpResponse refusal(int status, std::string_view reason) {
  HttpResponse response;
  response.status = status;
  response.body = api::error_json(reason);
  return response;
}

HttpResponse answer(Result<std::string> json, int status = 200) {
  if (!json) return refusal(json.error());
  HttpResponse response;
  response.status = status;
  response.body = *std::move(json);
  return response;
}

HttpResponse answer(const Result<Picture>& picture) {
  if (!picture) return refusal(picture.error());
  HttpResponse response;
  response.content_type = api::content_type((*picture)->format);
  // Shares the picture's life; nothing is copied.
  response.bytes = std::shared_ptr<const std::vector<std::uint8_t>>(*picture, &(*picture)->bytes);
  return response;
}

Result<std::string> read_body(HttpRequest& request) {
  std::string whole;
  std::array<char, kPiece> piece;
  while (true) {
    const Result<std::size_t> count =
        request.read_body({reinterpret_cast<std::uint8_t*>(piece.data()), piece.size()});
    if (!count) return count.error();
    if (*count == 0) return whole;
    whole.append(piece.data(), *count);
  }
}

/// What `command` answers to the body, or why there is none.
template <typename Command>
HttpResponse with_body(HttpRequest& request, const Command& command) {
  Result<std::string> text = read_body(request);
  if (!text) {
    HttpResponse response = refusal(text.error());
    if (text.error().code == ErrorCode::kUnavailable) response.status = kRequestTimeout;
    return response;
  }
  Result<api::Body> body = api::parse_body(*std::move(text));
  if (!body) return refusal(body.error());
  if (const auto key = request.header("Idempotency-Key")) body->idempotency_key = *key;
  return command(*body);
}

/// What `command` answers to the query's page, or why there is none.
template <typename Command>
HttpResponse with_page(const HttpRequest& request, const Command& command) {
  const Result<PageRequest> page =
      api::page_from_query(request.query("limit"), request.query("after"));
  if (!page) return refusal(page.error());
  return command(*page);
}

BodyReader body_reader(HttpRequest& request) {
  return [&request](char* buffer, std::size_t size) {
    return request.read_body({reinterpret_cast<std::uint8_t*>(buffer), size});
  };
}

/// Where an upload stands, as tus has it; in a body as well, where there may be one.
HttpResponse upload_answer(const Result<UploadInfo>& info, int status) {
  if (!info) return refusal(info.error());
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Upload-Offset", std::to_string(info->offset));
  response.headers.emplace_back("Upload-Length", std::to_string(info->bytes));
  response.headers.emplace_back("Cache-Control", "no-store");
  if (status != kNoContent) response.body = api::upload_json(*info);
  return response;
}

/// What `command` answers to a client that speaks our tus, or does not say what it speaks.
template <typename Command>
HttpResponse with_tus(const HttpRequest& request, const Command& command) {
  const bool ours = request.header("Tus-Resumable").value_or(api::kTusVersion) == api::kTusVersion;
  HttpResponse response =
      ours ? command()
           : refusal(kPreconditionFailed, "Tus-Resumable must be " + std::string(api::kTusVersion));
  if (!ours) response.headers.emplace_back("Tus-Version", api::kTusVersion);
  response.headers.emplace_back("Tus-Resumable", api::kTusVersion);
  return response;
}

/// Whether the client wants to wait for the picture. The original took any value
/// of `block`, "false" included, for a yes.
bool blocks(const HttpRequest& request) { return request.query("block").has_value(); }

Gone gone_when_disconnected(const HttpRequest& request) {
  return [&request] { return request.disconnected(); };
}

/// Whether the method may change something (RFC 9110, 9.2.1).
bool is_safe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

net::HttpServerOptions Rest::with_log(net::HttpServerOptions options) const {
  options.on_refused = [this](const HttpRequest& request, const HttpResponse& response) {
    log(request, response, {}, std::chrono::microseconds(0));
  };
  return options;
}

Rest::Rest(Commands& commands, Auth& auth, Access& access, const RestOptions& options)
    : commands_(commands),
      auth_(auth),
      access_(access),
      max_body_bytes_(options.max_body_bytes),
      request_log_(options.request_log),
      http_(with_log(options.http)) {
  add_authentication(options.max_log_in_bytes);
  add_sessions();
  add_executions();
  add_resources(options.max_resource_bytes);
  add_uploads(options.max_resource_bytes);
  add_service(options.public_demo);
  if (access_.has_cors()) add_preflights();
}

void Rest::add(std::string_view method, const std::string& pattern, Entry entry, Handler handler,
               std::uint64_t max_body_bytes) {
  std::string& methods = methods_[pattern];
  methods.append(methods.empty() ? "" : ", ").append(method);
  // Bodies are read by those who want them, once it is known who asks.
  http_.route(
      method, pattern,
      [this, entry, handler = std::move(handler)](HttpRequest& request) {
        return enter(request, entry, handler);
      },
      {.max_body_bytes = max_body_bytes, .stream_body = true, .reserve = entry == Entry::kProbe});
}

HttpResponse Rest::enter(HttpRequest& request, Entry entry, const Handler& handler) {
  const auto began = std::chrono::steady_clock::now();
  const auto host = request.header("Host");
  std::string user;
  const auto serve = [&]() -> HttpResponse {
    if (const Result<void> known = access_.check_host(host); !known) return refusal(known.error());
    if (!is_safe(request.method())) {
      const Result<void> ours = access_.check_change(request.header("Origin"), host);
      if (!ours) return refusal(ours.error());
    }
    const Result<Caller> caller = caller_of(request, entry);
    if (caller) user = caller->user;
    if (entry != Entry::kProbe) {
      const Result<void> counted =
          access_.count_request(caller ? *caller : Caller{}, request.remote_address());
      if (!counted) return refusal(counted.error());
    }
    if (!caller) return refusal(caller.error());
    if (entry != Entry::kProbe) {
      if (const Result<void> serves = commands_.serving(); !serves) return refusal(serves.error());
    }
    return handler(request, *caller);
  };
  HttpResponse response = serve();
  add_cors(request, response);
  if (entry != Entry::kProbe) {
    const auto took = std::chrono::steady_clock::now() - began;
    log(request, response, user, std::chrono::duration_cast<std::chrono::microseconds>(took));
  }
  return response;
}

void Rest::log(const HttpRequest& request, const HttpResponse& response, const std::string& user,
               std::chrono::microseconds took) const {
  if (request_log_ == nullptr) return;
  RequestEntry entry;
  entry.time_us = log_record(LogLevel::kInfo, {}).time_us - took.count();
  entry.user = user;
  entry.address = request.remote_address();
  entry.interface = "rest";
  entry.request.append(request.method()).append(" ").append(request.path());
  entry.status = response.status;
  entry.microseconds = took.count();
  entry.bytes = response.bytes ? response.bytes->size() : response.body.size();
  if (response.status == kCreated) entry.id = api::made_id(response.body);
  request_log_->add(std::move(entry));
}

Result<Caller> Rest::caller_of(const HttpRequest& request, Entry entry) const {
  if (auth_.open() || entry == Entry::kAnyone || entry == Entry::kProbe) return Caller{};
  const auto token = sent_token(request.header("X-API-Token"), request.header("Authorization"));
  if (token) return auth_.caller_of(*token);
  if (entry == Entry::kOptional) return Caller{};
  return Error{ErrorCode::kUnauthenticated,
               "this needs a token of POST /auth, in the header X-API-Token or as "
               "\"Authorization: Bearer\""};
}

void Rest::add_cors(const HttpRequest& request, HttpResponse& response) const {
  if (!access_.has_cors()) return;
  response.headers.emplace_back("Vary", "Origin");
  const auto origin = request.header("Origin");
  if (!origin || !access_.has_cors(*origin)) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", *origin);
  response.headers.emplace_back("Access-Control-Expose-Headers",
                                "Location, Retry-After, Tus-Resumable, Tus-Version, "
                                "Upload-Length, Upload-Offset, WWW-Authenticate");
}

void Rest::add_authentication(std::uint64_t max_log_in_bytes) {
  add(
      "POST", "/auth", Entry::kAnyone,
      [this](HttpRequest& request, const Caller&) {
        return with_body(request, [&](const api::Body& body) {
          Result<Commands::LoggedIn> in = commands_.log_in(body, request.remote_address());
          if (!in) return refusal(in.error());
          return answer(std::move(in->answer));
        });
      },
      std::min(max_body_bytes_, max_log_in_bytes));
  add("GET", "/auth/:provider", Entry::kToken, [this](HttpRequest& request, const Caller& caller) {
    return answer(commands_.get_authorize_status(caller, request.capture("provider")));
  });
  add("POST", "/auth/:provider", Entry::kToken, [this](HttpRequest& request, const Caller& caller) {
    return with_body(request, [&](const api::Body& body) {
      return answer(commands_.register_resource_token(caller, request.capture("provider"), body));
    });
  });
}

void Rest::add_sessions() {
  add("POST", "/sessions", Entry::kToken, [this](HttpRequest& request, const Caller& caller) {
    return with_body(request, [&](const api::Body& body) {
      if (!blocks(request)) return answer(commands_.create_session(caller, body), kCreated);
      return answer(
          commands_.create_session_and_render(caller, body, gone_when_disconnected(request)));
    });
  });
  add("GET", "/sessions", Entry::kToken, [this](HttpRequest& request, const Caller& caller) {
    return with_page(request, [&](const PageRequest& page) {
      return answer(commands_.list_sessions(caller, page));
    });
  });
  add("GET", "/sessions/:session", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return answer(commands_.get_session(caller, request.capture("session")));
      });
  add("DELETE", "/sessions/:session", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return answer(commands_.delete_session(caller, request.capture("session")));
      });
}

void Rest::add_executions() {
  add("POST", "/sessions/:session/executions", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return with_body(request, [&](const api::Body& body) {
          const std::string_view session = request.capture("session");
          if (!blocks(request)) {
            return answer(commands_.create_execution(caller, session, body), kCreated);
          }
          return answer(commands_.create_execution_and_wait(caller, session, body,
                                                            gone_when_disconnected(request)));
        });
      });
  add("GET", "/sessions/:session/executions", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return with_page(request, [&](const PageRequest& page) {
          return answer(commands_.list_executions(caller, request.capture("session"), page));
        });
      });
  add("GET", "/sessions/:session/executions/:execution", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return answer(commands_.get_execution(caller, request.capture("session"),
                                              request.capture("execution")));
      });
  add("GET", "/sessions/:session/executions/:execution/result", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return answer(commands_.get_execution_result(caller, request.capture("session"),
                                                     request.capture("execution")));
      });
  add("DELETE", "/sessions/:session/executions/:execution", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return answer(commands_.cancel_execution(caller, request.capture("session"),
                                                 request.capture("execution")));
      });
}

void Rest::add_resources(std::uint64_t max_resource_bytes) {
  add(
      "PUT", "/resources", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return answer(
            commands_.put_resource(caller, request.header("Repr-Digest"), body_reader(request)),
            kCreated);
      },
      max_resource_bytes);
  add("GET", "/resources/:resource", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return answer(commands_.find_resource(caller, request.capture("resource")));
      });
  add("POST", "/resources/known", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return with_body(request, [&](const api::Body& body) {
          return answer(commands_.known_resources(caller, body));
        });
      });
}

void Rest::add_uploads(std::uint64_t max_resource_bytes) {
  constexpr const char* kPattern = "/resources/uploads/:upload";
  add("POST", "/resources/uploads", Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return with_tus(request, [&] {
          const Result<UploadInfo> begun = commands_.begin_upload(
              caller, request.header("Repr-Digest"), request.header("Upload-Length"));
          HttpResponse response = upload_answer(begun, kCreated);
          if (begun) response.headers.emplace_back("Location", "/resources/uploads/" + begun->id);
          return response;
        });
      });
  add("GET", kPattern, Entry::kToken, [this](HttpRequest& request, const Caller& caller) {
    return with_tus(request, [&] {
      return upload_answer(commands_.find_upload(caller, request.capture("upload")), kOk);
    });
  });
  add(
      "PATCH", kPattern, Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        return with_tus(request, [&] {
          if (request.header("Content-Type") != api::kTusContentType) {
            return refusal(kUnsupportedMediaType,
                           "Content-Type must be " + std::string(api::kTusContentType));
          }
          return upload_answer(
              commands_.continue_upload(caller, request.capture("upload"),
                                        request.header("Upload-Offset"), body_reader(request)),
              kNoContent);
        });
      },
      max_resource_bytes);
  add("DELETE", kPattern, Entry::kToken, [this](HttpRequest& request, const Caller& caller) {
    return with_tus(request, [&] {
      const Result<void> removed = commands_.remove_upload(caller, request.capture("upload"));
      if (!removed) return refusal(removed.error());
      HttpResponse response;
      response.status = kNoContent;
      return response;
    });
  });
}

void Rest::add_service(bool public_demo) {
  add("GET", "/", public_demo ? Entry::kOptional : Entry::kToken,
      [this](HttpRequest& request, const Caller& caller) {
        if (request.method() == "HEAD") {  // says what would come, without rendering it
          HttpResponse response;
          response.headers.emplace_back("Content-Type", api::content_type(Format::kJpg));
          return response;
        }
        return answer(commands_.render_demo(caller, request.query("parallel"),
                                            request.query("format"),
                                            gone_when_disconnected(request)));
      });
  add("GET", "/info", Entry::kAnyone,
      [this](HttpRequest&, const Caller&) { return answer(commands_.info()); });
  add("GET", "/workers", Entry::kToken, [this](HttpRequest& request, const Caller&) {
    return with_page(request,
                     [&](const PageRequest& page) { return answer(commands_.list_workers(page)); });
  });
  add("GET", "/logs", Entry::kToken, [this](HttpRequest& request, const Caller& caller) {
    const Result<api::LogRequest> wanted =
        api::log_request([&request](std::string_view name) { return request.query(name); });
    if (!wanted) return refusal(wanted.error());
    return answer(commands_.list_logs(caller, *wanted, gone_when_disconnected(request)));
  });
  add("GET", "/openapi.json", Entry::kAnyone,
      [](HttpRequest&, const Caller&) { return answer(std::string(kOpenApi)); });
  add("GET", "/healthz", Entry::kProbe,
      [](HttpRequest&, const Caller&) { return answer(api::status_json("ok")); });
  add("GET", "/readyz", Entry::kProbe,
      [this](HttpRequest&, const Caller&) { return answer(commands_.ready()); });
}

void Rest::add_preflights() {
  const std::map<std::string, std::string> methods = methods_;
  for (const auto& [pattern, known] : methods) {
    add("OPTIONS", pattern, Entry::kAnyone,
        [this, allowed = known](HttpRequest& request, const Caller&) {
          HttpResponse response;
          response.status = kNoContent;
          response.headers.emplace_back("Allow", allowed);
          const auto origin = request.header("Origin");
          if (origin && access_.has_cors(*origin)) {
            response.headers.emplace_back("Access-Control-Allow-Methods", allowed);
            response.headers.emplace_back(
                "Access-Control-Allow-Headers",
                "Content-Type, Authorization, X-API-Token, Idempotency-Key, Repr-Digest, "
                "Tus-Resumable, Upload-Length, Upload-Offset");
            response.headers.emplace_back("Access-Control-Max-Age", "600");
          }
          return response;
        });
  }
}

}  // namespace francine::server
