#include "testing/describe.h"
#include "testing/text.h"

namespace francine::testing {

using namespace core;

namespace {

/// Lines, each a Text.
class Page {
 public:
  void add(Text line) {
    page_ += line.take();
    page_ += '\n';
  }
  std::string take() { return std::move(page_); }

 private:
  std::string page_;
};

void holdings_to(Text& text, const std::vector<Holding>& holdings) {
  for (const Holding& holding : holdings) text << "held-by" << holding.worker << holding.bytes;
}

void dump_worker(Page& page, WorkerId id, const Worker& worker) {
  Text head;
  head << "worker" << id;
  head.quoted(worker.spec->name) << worker.spec->endpoint;
  head << "slots" << worker.spec->slots << "arithmetic" << worker.arithmetic;
  head << "budget" << worker.spec->partial_budget_bytes << "bytes" << worker.partial_bytes;
  head << "seen" << worker.last_seen << "pinged" << worker.last_ping;
  head << word_of(worker.standing) << "since" << worker.stands_since;
  head << "failures" << worker.failures_in_a_row << "aside" << worker.times_set_aside
       << worker.set_aside_until;
  head.quoted(worker.set_aside_reason);
  head << "next" << worker.last_execution << worker.next_share << "sessions";
  for (const SessionId session : worker.sessions) head << session;
  head << "drops";
  for (const TaskId task : worker.drops) head << task;
  head << "partials";
  for (const auto& [execution, first] : worker.partials) head << execution << first;
  page.add(std::move(head));
  for (const Task& task : worker.tasks) {
    Text line;
    line << "  task" << task.id << task.execution << task.kind << task.shares;
    line.flag("finish", task.finish).flag("adopted", task.adopted) << "placed" << task.placed_at;
    page.add(std::move(line));
  }
}

void dump_session(Page& page, SessionId id, const Session& session) {
  Text head;
  head << "session" << id;
  head.quoted(session.spec->name) << session.spec->producer << "version" << session.version;
  head << "running" << session.running << "bytes" << session.resource_bytes;
  head << "holders-version" << session.holders_version << "settings" << *session.settings;
  holdings_to(head, session.holders);
  for (const Spreading::Member& member : session.spreading.members()) {
    head << (member.complete ? "supplied" : member.root ? "fetching" : "fed") << member.worker;
    if (member.root) continue;
    for (const WorkerId parent : member.parents) head << "by" << parent;
  }
  head.flag("provided", session.provided).flag("settled", session.settled);
  if (session.scout != TaskId{}) head << "scout" << session.scout;
  for (const Resource& resource : session.spec->resources) {
    head << resource.dst << resource.sha256 << resource.size_bytes;
  }
  for (const std::string& update : session.updates) head << "update" << update;
  for (const ExecutionId execution : session.executions) head << execution;
  for (const auto& [name, execution] : session.execution_names) head.quoted(name) << execution;
  page.add(std::move(head));
}

void dump_ledger(Page& page, const Ledger& ledger) {
  Text pending;
  pending << "  pending" << ledger.pending() << "counted" << ledger.counted();
  pending << "next-group" << ledger.next_group();
  for (const ShareRange run : ledger.pending_runs()) pending << run;
  page.add(std::move(pending));
  ledger.for_each_partial(ledger.root(), [&](const HeldPartial& partial) {
    Text line;
    line << "  partial" << partial.shares << partial.task << partial.worker << partial.bytes;
    if (const auto group = ledger.group_of(partial.shares)) {
      line << "of" << *group;
      line.flag("ready", ledger.is_ready(*group));
    }
    page.add(std::move(line));
  });
}

void dump_siblings(Page& page, const Siblings& siblings) {
  Text head;
  head << "  siblings" << siblings.compared();
  page.add(std::move(head));
  for (const auto& [first, doubt] : siblings.doubts()) {
    Text line;
    line << "  doubt" << doubt.shares;
    for (const Opinion& opinion : doubt.opinions) {
      line << opinion.worker << opinion.host << opinion.means;
    }
    page.add(std::move(line));
  }
}

void dump_execution(Page& page, ExecutionId id, const Execution& execution) {
  Text head;
  head << "execution" << id << execution.session;
  head.quoted(execution.name) << word_of(execution.phase) << "parallel" << execution.spec->parallel;
  head << "priority" << execution.spec->priority << "arithmetic" << execution.arithmetic;
  head << "tasks" << execution.running_tasks << "retries" << execution.retries;
  head.field("cold", execution.cold_starts);
  head << "created" << execution.created_at << "ended" << execution.ended_at;
  head << execution.times << "produced" << execution.shares_produced << "reductions"
       << execution.reductions;
  head.flag("started", execution.started);
  if (execution.provided) {
    head << "fetching" << execution.fetching.failures << execution.fetching.losses
         << execution.fetching.failed_on;
  }
  head.field("sha256", execution.sha256).field("bytes", execution.bytes);
  head.quoted(execution.error);
  if (execution.picture) {
    head << "picture" << execution.picture->task << execution.picture->worker
         << execution.picture->made_by;
  }
  page.add(std::move(head));
  if (execution.ledger) dump_ledger(page, *execution.ledger);
  for (const auto& [task, attempts] : execution.attempts) {
    Text line;
    line << "  attempts" << task.first << task.second << attempts.failures << attempts.losses
         << attempts.failed_on;
    page.add(std::move(line));
  }
  if (execution.siblings) dump_siblings(page, *execution.siblings);
  for (const auto& [first, holdings] : execution.groups) {
    Text line;
    line << "  group" << first;
    holdings_to(line, holdings);
    page.add(std::move(line));
  }
  for (const auto& [group, worker] : execution.reducing) {
    Text line;
    line << "  reducing" << group << worker;
    page.add(std::move(line));
  }
}

void dump_work(Page& page, const State& state) {
  for (const auto& [key, work] : state.work) {
    Text line;
    line << "work" << key.kind << key.rank << key.execution << key.first << work.session;
    line << "owner" << work.owner << "created" << work.created_ms << "pending" << work.pending;
    line << "arithmetic" << work.arithmetic;
    page.add(std::move(line));
  }
}

}  // namespace

std::string dump(const State& state) {
  Page page;
  Text head;
  head << "now" << state.now << "awake-since" << state.awake_since << "next" << state.next_worker
       << state.next_session << state.next_execution << state.next_task;
  head << "executions" << state.totals.running_executions << "slots" << state.totals.slots
       << "tasks" << state.totals.running_tasks << "shares" << state.totals.pending_shares
       << "reductions" << state.totals.pending_reductions << "free";
  for (auto at = state.free_workers.next(0); at; at = state.free_workers.next(*at + 1)) {
    head << WorkerId{*at};
  }
  page.add(std::move(head));
  Text life;
  life << "cluster";
  life.quoted(state.cluster) << state.incarnation << "durable" << state.durable_records;
  life.flag("unsafe", !state.restart_safe)
      << "recovers-until" << state.recovers_until << "not-started";
  for (const auto& [record, execution] : state.not_started) life << record << execution;
  life << "members";
  for (const std::string& name : state.members) life.quoted(name);
  page.add(std::move(life));
  for (const auto& [key, sealed] : state.tokens) {
    Text line;
    (line << "token").quoted(key.first) << key.second << sealed_text(sealed);
    page.add(std::move(line));
  }
  for (const auto& [worker, report] : state.reports) {
    Text line;
    put(line << "report" << worker, report);
    page.add(std::move(line));
  }
  for (const Arithmetic& arithmetic : state.arithmetics) {
    Text line;
    line << "arithmetic" << arithmetic.name << arithmetic.workers;
    page.add(std::move(line));
  }
  for (const auto& [name, id] : state.worker_names) page.add(std::move(Text().quoted(name) << id));
  for (const auto& [name, id] : state.session_names) page.add(std::move(Text().quoted(name) << id));
  state.workers.for_each([&](WorkerId id, const Worker& worker) { dump_worker(page, id, worker); });
  state.sessions.for_each(
      [&](SessionId id, const Session& session) { dump_session(page, id, session); });
  state.executions.for_each(
      [&](ExecutionId id, const Execution& execution) { dump_execution(page, id, execution); });
  dump_work(page, state);
  return page.take();
}

}  // namespace francine::testing
