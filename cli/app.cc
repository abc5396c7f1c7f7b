#include "cli/app.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "cli/exit_codes.h"
#include "cli/manual.h"
#include "cli/syntax.h"
#include "cli/version.h"

namespace francine::cli {
namespace {

constexpr const char* kSummary =
    "Renders pictures on a Francine farm, from the command line.\n\n"
    "Talks to the REST port of a francine-server, renders pictures on it and shows what is there. "
    "What commands answer goes to standard output; progress, notes and errors go to standard "
    "error.";

constexpr const char* kFooter =
    "Environment:\n"
    "  FRANCINE_SERVER  the server's URL, where --server is not given\n"
    "  FRANCINE_TOKEN  the token to show to the server, instead of the one that `francine login` "
    "stored. There is no flag for it: the list of processes would show it to everybody\n"
    "  FRANCINE_CA  the file of certificates, where --ca is not given\n"
    "  NO_COLOR  if set, no colors; they are used on terminals only\n"
    "\n"
    "Files:\n"
    "  ~/.config/francine/credentials  the tokens by server (mode 0600); below $XDG_CONFIG_HOME if "
    "that is set\n"
    "\n"
    "Exit codes:\n"
    "  0  done\n"
    "  1  the request, the execution or a file failed\n"
    "  2  the command line is wrong\n"
    "  3  the server cannot be reached, or cannot serve now\n"
    "  4  the server wants to know who asks (francine login), or refuses this user\n"
    "  5  there is no such session, execution or path\n"
    "  130  interrupted by Ctrl-C (128 and the number of the signal)\n";

/// CLI11 reads -1 and 2^64 as other numbers.
std::string is_seed(std::string& text) {
  std::uint64_t seed = 0;
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), seed);
  const bool good = failure == std::errc{} && rest == text.data() + text.size();
  return good ? "" : text + " is no integer from 0 to 2^64 - 1";
}

CLI::App* add_command(CLI::App& app, Arguments& arguments, Command command, const char* name,
                      const char* description, const char* footer = "") {
  CLI::App* added = app.add_subcommand(name, description);
  added->fallthrough();
  added->footer(footer);
  added->callback([&arguments, command] { arguments.command = command; });
  return added;
}

/// A choice; the type names the words, for help and completion alike.
CLI::Option* one_of(CLI::Option* option, const std::vector<std::string>& words) {
  std::string type;
  for (const std::string& word : words) type += (type.empty() ? "" : "|") + word;
  return option->check(CLI::IsMember(words).description(""))->type_name(type);
}

void add_global_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--server", arguments.server, "the server's URL")
      ->type_name("URL")
      ->envname("FRANCINE_SERVER")
      ->capture_default_str();
  app.add_option("--ca", arguments.ca_file,
                 "trust these certificates (PEM) instead of the system's, with https")
      ->type_name("FILE")
      ->envname("FRANCINE_CA")
      ->check(CLI::ExistingFile.description(""));
  app.add_option("--timeout", arguments.timeout_s,
                 "how many seconds the server may be silent before it counts as unreachable")
      ->type_name("SECONDS")
      ->check(CLI::Range(1.0, 86400.0).description(""))
      ->capture_default_str();
  app.add_flag("--json", arguments.json, "print the server's answers as they are");
  app.add_flag("-q,--quiet", arguments.quiet, "no progress and no notes, only errors");
}

void add_render(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_command(
      app, arguments, Command::kRender, "render",
      "Render a picture into a file.\n\n"
      "Creates a session of the producer with the resources, renders it once and deletes it again; "
      "with --session, renders a session that exists. What the server has from earlier uploads of "
      "this user is not sent again, and large files whose upload broke go on where it stood. On a "
      "terminal a bar shows the progress. Ctrl-C cancels the execution on the server; a second one "
      "quits at once.\n\n"
      "Of a folder, all regular files below it are uploaded, each under its path in the folder. "
      "Files and folders whose names begin with a dot are left out, and so are links, but those to "
      "files inside the folder.",
      "Examples:\n"
      "  francine render -o ao.png\n"
      "  francine render model.obj --parallel 64 --width 1920 --height 1080 -o model.exr\n"
      "  francine render scene/ -o scene.png\n"
      "  francine render --update @camera.json --seed 7 -o - > view.png\n");
  command
      ->add_option("resources", arguments.resources,
                   "files and folders to upload. DST is where the producer finds the file, by "
                   "default its name, or the folder's files, by default at the top; the ao "
                   "producer renders every DST that ends in .obj")
      ->type_name("FILE[:DST]");
  auto* session =
      command->add_option("--session", arguments.session, "render this session, and keep it")
          ->type_name("SESSION");
  command
      ->add_option("--resource", arguments.resources,
                   "a file or folder to upload, as those without a flag")
      ->type_name("FILE[:DST]")
      ->allow_extra_args(false)
      ->excludes(session);
  command->add_option("--producer", arguments.producer, "the renderer")
      ->type_name("NAME")
      ->capture_default_str()
      ->excludes(session);
  one_of(command->add_option("--format", arguments.format,
                             "the format of the picture, by default that of the output's name or "
                             "else png"),
         {"png", "jpg", "exr"});
  command
      ->add_option("-o,--output", arguments.output,
                   "the file to write, - for standard output; by default a new file, named after "
                   "the first file or folder, or the producer")
      ->type_name("FILE");
  command
      ->add_option("--parallel", arguments.parallel,
                   "the number of shares. More are better as well as more parallel: each is one "
                   "more estimate of the whole picture")
      ->type_name("N")
      ->check(CLI::Range(1, 65'536).description(""))
      ->capture_default_str();
  command
      ->add_option("--update", arguments.update,
                   "settings of the producer, a JSON object; @FILE reads them from a file. They "
                   "stay in the session")
      ->type_name("JSON");
  for (const auto& [flag, target, text] :
       {std::tuple("--width", &arguments.width, "the picture's width in pixels, in the update"),
        std::tuple("--height", &arguments.height, "its height")}) {
    command->add_option(flag, *target, text)
        ->type_name("PIXELS")
        ->check(CLI::Range(1, 1 << 30).description(""));
  }
  command
      ->add_option("--seed", arguments.seed,
                   "another seed, other noise; the same seed, the same picture")
      ->type_name("N")
      ->check(CLI::Validator(is_seed, ""))
      ->capture_default_str();
  command->add_option("--priority", arguments.priority, "-100 to 100; higher goes first")
      ->type_name("N")
      ->check(CLI::Range(-100, 100).description(""))
      ->capture_default_str();
  command->add_flag("--keep-session", arguments.keep_session,
                    "keep the session that was created, and say its name");
}

void add_login(CLI::App& app, Arguments& arguments) {
  CLI::App* login = add_command(
      app, arguments, Command::kLogin, "login",
      "Get a token from the server and store it.\n\n"
      "Asks for the password without showing it. The token goes into the credentials file, which "
      "only its owner can read, and is used by later commands for the same server.");
  login->add_option("user", arguments.user, "the user; asked for where it is missing")
      ->type_name("USER");
  login->add_flag("--password-stdin", arguments.password_stdin,
                  "read the password from standard input, one line");
  login->add_flag("--show-token", arguments.show_token,
                  "print the token on standard output and store nothing");
  add_command(app, arguments, Command::kLogout, "logout",
              "Forget the server's token.\n\n"
              "Removes it from the credentials file. The token itself stays valid until it "
              "expires: the server keeps no list of tokens.");
}

CLI::Option* add_session(CLI::App* command, Arguments& arguments, const char* text) {
  return command->add_option("session", arguments.session, text)->type_name("SESSION")->required();
}

CLI::App* add_of_execution(CLI::App& app, Arguments& arguments, Command which, const char* name,
                           const char* description) {
  CLI::App* command = add_command(app, arguments, which, name, description);
  add_session(command, arguments, "the session, or SESSION/EXECUTION");
  command->add_option("execution", arguments.execution, "the execution")->type_name("EXECUTION");
  return command;
}

void add_sessions(CLI::App& app, Arguments& arguments) {
  add_command(app, arguments, Command::kSessions, "sessions",
              "List the sessions that you may see.");
  CLI::App* executions = add_command(app, arguments, Command::kExecutions, "executions",
                                     "List the executions of a session.");
  add_session(executions, arguments, "the session");
  add_of_execution(app, arguments, Command::kShow, "show",
                   "Show a session or an execution in full.");
  CLI::App* result = add_of_execution(app, arguments, Command::kResult, "result",
                                      "Fetch the picture of an execution that has finished.");
  result
      ->add_option("-o,--output", arguments.output,
                   "the file to write, - for standard output; by default a new file, named after "
                   "the execution")
      ->type_name("FILE");
  add_of_execution(app, arguments, Command::kCancel, "cancel",
                   "Cancel an execution.\n\nIt stays listed, as cancelled; one that has ended "
                   "stays as it is.");
  CLI::App* remove =
      add_command(app, arguments, Command::kDelete, "delete",
                  "Delete a session with its executions.\n\nExecutions that run are cancelled.");
  add_session(remove, arguments, "the session");
}

void add_logs(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_command(
      app, arguments, Command::kLogs, "logs",
      "Show what the farm has logged, the newest records.\n\n"
      "Of everything that you may see, or of what the options choose. The server keeps as many "
      "records as fit its memory. With --follow, what comes as well, until Ctrl-C; with --json, an "
      "object each line then.",
      "Examples:\n"
      "  francine logs -f --level warning\n"
      "  francine logs --execution EXECUTION\n");
  command->add_option("--execution", arguments.execution, "of this execution")
      ->type_name("EXECUTION");
  command->add_option("--session", arguments.session, "of this session and its executions")
      ->type_name("SESSION");
  command->add_option("--worker", arguments.worker, "of this worker")->type_name("WORKER");
  command->add_option("--task", arguments.task, "of this task, as records tell its number")
      ->type_name("N")
      ->check(
          CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()).description(""));
  one_of(command->add_option("--level", arguments.level, "this bad, and worse"),
         {"debug", "info", "warning", "error"});
  command->add_option("-n,--lines", arguments.lines, "how many records, at first")
      ->type_name("N")
      ->check(CLI::Range(1, 1000).description(""))
      ->capture_default_str();
  command->add_flag("-f,--follow", arguments.follow, "go on with what is logged from now on");
}

void add_service(CLI::App& app, Arguments& arguments) {
  add_command(app, arguments, Command::kWorkers, "workers", "List the workers of the farm.");
  CLI::App* status = add_command(
      app, arguments, Command::kStatus, "status",
      "Show how busy the farm is.\n\nWith --watch until Ctrl-C: painted anew every second on a "
      "terminal, else a line (with --json an object) each second.");
  status->add_flag("-w,--watch", arguments.watch, "go on, every second");
  add_logs(app, arguments);
  add_command(app, arguments, Command::kInfo, "info", "Show what the server says of itself.");
  CLI::App* completion = add_command(
      app, arguments, Command::kCompletion, "completion", "Print the completion of a shell.",
      "Examples:\n"
      "  source <(francine completion bash)\n"
      "  francine completion zsh > ~/.zfunc/_francine\n"
      "  francine completion fish > ~/.config/fish/completions/francine.fish\n");
  one_of(completion->add_option("shell", arguments.shell, "the shell"), {"bash", "zsh", "fish"})
      ->required();
}

std::string failure_text(const CLI::App* app, const CLI::Error& error) {
  const auto chosen = app->get_subcommands();
  std::string text = "francine: ";
  if (!chosen.empty()) {
    return text + error.what() + "\nhint: francine " + chosen.front()->get_name() +
           " --help lists what there is\n";
  }
  const std::vector<std::string> unknown = app->remaining();
  if (unknown.empty()) {
    text += error.get_name() == "RequiredError" ? "a COMMAND is missing" : error.what();
  } else {
    text += "there is no " +
            std::string(unknown.front().starts_with('-') ? "option " : "command ") +
            unknown.front();
  }
  return text + "\nhint: francine --help lists what there is\n";
}

}  // namespace

std::shared_ptr<CLI::App> make_app(Arguments& arguments) {
  auto app = std::make_shared<CLI::App>(kSummary, "francine");
  app->formatter_fn([](const CLI::App* at, const std::string&, CLI::AppFormatMode) {
    return help_text(syntax_of(*at));
  });
  app->failure_message(failure_text);
  app->footer(kFooter);
  app->set_help_flag("-h,--help", "print this and end");
  app->set_version_flag("--version", "francine " + std::string(kVersion), "print the version");
  app->require_subcommand(1);
  add_global_options(*app, arguments);
  add_render(*app, arguments);
  add_login(*app, arguments);
  add_sessions(*app, arguments);
  add_service(*app, arguments);
  return app;
}

std::optional<int> parse(CLI::App& app, int argc, const char* const* argv) {
  if (argc <= 1) {
    std::fputs(app.help().c_str(), stderr);
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return std::nullopt;
}

}  // namespace francine::cli
