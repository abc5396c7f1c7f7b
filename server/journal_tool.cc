#include "server/journal_tool.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "journal/inspect.h"
#include "server/roles.h"

namespace francine::server {
namespace {

constexpr const char* kUsage =
    "francine-server journal check DIR    tells what is in the journal, and whether it is whole\n"
    "francine-server journal dump DIR     prints its records, one JSON object a line, oldest "
    "first\n"
    "francine-server journal repair DIR   tells what a repair would drop\n"
    "    --yes                            repairs: keeps a copy of everything beside it, then "
    "what\n"
    "                                     is whole, up to the damage\n"
    "    --new-cluster                    rewrites it even where nothing is damaged; needed when\n"
    "                                     the directory was restored from an older copy\n"
    "\n"
    "DIR is the master's data directory, or the folder journal in it. The master must not run.\n"
    "check and dump change nothing. Exit codes: 0: it is whole; 1: it is damaged or cannot be\n"
    "read; 2: the arguments are wrong.\n";

struct Arguments {
  std::string command;
  std::string directory;
  bool yes = false;
  bool new_cluster = false;
};

bool parse(const std::vector<std::string>& given, Arguments& arguments) {
  std::vector<std::string> words;
  for (const std::string& argument : given) {
    if (argument == "--yes") {
      arguments.yes = true;
    } else if (argument == "--new-cluster") {
      arguments.new_cluster = true;
    } else if (argument.starts_with("-")) {
      return false;
    } else {
      words.push_back(argument);
    }
  }
  if (words.size() != 2) return false;
  arguments.command = words[0];
  arguments.directory = words[1];
  const bool repairs = arguments.command == "repair";
  if (!repairs && (arguments.yes || arguments.new_cluster)) return false;
  return repairs || arguments.command == "check" || arguments.command == "dump";
}

int fail(const Error& error) {
  std::fprintf(stderr, "francine-server: %s\n", error.message.c_str());
  return kExitFailure;
}

void say(const std::string& text) { std::fputs((text + "\n").c_str(), stdout); }

std::string count(std::uint64_t number, const char* one, const char* many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

void print_contents(const journal::Inspection& found) {
  say("format:    " + std::to_string(found.format));
  say("cluster:   " + (found.cluster.empty() ? "cannot be read" : found.cluster));
  say("started:   " + count(found.incarnation, "time", "times"));
  std::string records =
      count(found.records, "record", "records") + " up to number " + std::to_string(found.last_seq);
  if (found.snapshot_seq != 0) {
    records += "; " + std::to_string(found.snapshot_records) +
               " are in the snapshot of the first " + std::to_string(found.snapshot_seq);
  }
  say("records:   " + records);
  for (const auto& [type, number] : found.types) {
    std::printf("           %8llu %s\n", static_cast<unsigned long long>(number), type.c_str());
  }
  say("           " + std::to_string(found.dead_records) +
      " of them are of deleted sessions, or out of date");
  say("sessions:  " + std::to_string(found.sessions) + " with " +
      count(found.executions, "execution", "executions") + ", of which " +
      std::to_string(found.running) + " had not ended");
  say("members:   " + count(found.members, "worker", "workers"));
}

/// What the damage is, and what comes after it.
void print_damage(const journal::Inspection& found) {
  say("damage:    " + *found.damage);
  say("           all before it is whole; a master refuses to start from it");
  const std::uint64_t behind = found.readable + found.unreadable;
  if (behind == 0) return;
  say("behind it: " + count(behind, "record", "records") + ", " + std::to_string(found.readable) +
      " of which can be read:");
  for (const std::string& sentence : found.lost) say("           - " + sentence);
  if (found.lost.size() < found.readable) {
    say("           - and " + std::to_string(found.readable - found.lost.size()) + " more");
  }
}

int check(const std::filesystem::path& directory) {
  const Result<journal::Inspection> found = journal::check(directory);
  if (!found) return fail(found.error());
  say("journal:   " + directory.string());
  print_contents(*found);
  if (!found->damage) {
    say("damage:    none");
    return kExitOk;
  }
  print_damage(*found);
  say("cure:      restore the directory from a copy and use `repair --new-cluster`, or drop what "
      "is behind\n           the damage: francine-server journal repair " +
      directory.string() + " --yes");
  return kExitFailure;
}

int dump(const std::filesystem::path& directory) {
  const Result<journal::Inspection> found = journal::dump(directory, [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\n', stdout);
  });
  if (!found) return fail(found.error());
  if (std::fflush(stdout) != 0) return fail({ErrorCode::kUnavailable, "cannot write the records"});
  if (!found->damage) return kExitOk;
  std::fprintf(stderr, "francine-server: the journal is damaged behind these: %s\n",
               found->damage->c_str());
  return kExitFailure;
}

int repair(const std::filesystem::path& directory, const Arguments& arguments) {
  const Result<journal::Repaired> repaired =
      journal::repair(directory, arguments.yes, arguments.new_cluster);
  if (!repaired) return fail(repaired.error());
  const journal::Inspection& before = repaired->before;
  if (!before.damage && !arguments.new_cluster && !repaired->done) {
    say("The journal in " + directory.string() + " is whole; there is nothing to repair.");
    return kExitOk;
  }
  say("journal:   " + directory.string());
  print_contents(before);
  if (before.damage) print_damage(before);
  if (!repaired->done) {
    say("Nothing was changed. With --yes the " +
        count(before.records, "whole record", "whole records") + " above are kept" +
        (before.damage ? " and all behind the damage is dropped" : "") + ".");
    return before.damage ? kExitFailure : kExitOk;
  }
  say("repaired:  " + count(before.records, "record was kept", "records were kept") +
      "; the journal is whole");
  say("copy:      all that was there before is in " + repaired->backup.string() +
      "; remove it when you are sure");
  say("cluster:   " + repaired->cluster +
      " from now on: workers forget what they keep for the old one");
  return kExitOk;
}

}  // namespace

int run_journal(const std::vector<std::string>& given) {
  if (std::find(given.begin(), given.end(), "--help") != given.end()) {
    std::fputs(kUsage, stdout);
    return kExitOk;
  }
  Arguments arguments;
  if (!parse(given, arguments)) {
    std::fputs(kUsage, stderr);
    return kExitUsage;
  }
  const Result<std::filesystem::path> directory = journal::find_journal(arguments.directory);
  if (!directory) return fail(directory.error());
  if (arguments.command == "check") return check(*directory);
  if (arguments.command == "dump") return dump(*directory);
  return repair(*directory, arguments);
}

}  // namespace francine::server
