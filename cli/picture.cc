#include "cli/picture.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>

#include "api/answers.h"
#include "cli/files.h"
#include "cli/output_file.h"
#include "cli/terminal.h"
#include "cli/text.h"

namespace francine::cli {

Result<SavedPicture> save_picture(const Context& context, const std::string& path,
                                  const std::string& output, const std::string& stem) {
  // A name of our own depends on the format, which the answer tells.
  Result<OutputFile> file = OutputFile::create(output.empty() ? stem : output);
  if (!file) return file.error();
  SavedPicture saved;
  const net::BodySink sink = [&](std::span<const std::uint8_t> piece) {
    saved.bytes += piece.size();
    return file->write(piece);
  };
  const Result<std::optional<Format>> format =
      context.client.get_picture(path, sink, context.interrupt.token());
  if (!format) return format.error();
  saved.format = *format;
  saved.file = output;
  if (output.empty()) {
    saved.file = free_name(stem, std::string(*format ? api::format_name(**format) : "picture"));
    file->rename_to(saved.file);
  }
  Result<void> committed = file->commit();
  if (!committed) return committed.error();
  return saved;
}

std::string saved_text(const SavedPicture& saved) {
  std::string text = saved.file == "-" ? "standard output" : saved.file;
  text += ": ";
  if (saved.format) text.append(api::format_name(*saved.format)).append(", ");
  return text + size_text(saved.bytes);
}

std::optional<Format> format_of_file(std::string_view file) {
  const std::size_t dot = file.substr(file.rfind('/') + 1).rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string extension(file.substr(file.rfind('.') + 1));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == "jpeg") return Format::kJpg;
  for (const Format format : {Format::kPng, Format::kJpg, Format::kExr}) {
    if (extension == api::format_name(format)) return format;
  }
  return std::nullopt;
}

Result<void> check_output(const Arguments& arguments) {
  const std::string& output = arguments.output;
  if (output == "-" && arguments.json) {
    return Error{ErrorCode::kInvalidArgument,
                 "-o - and --json would mix a picture and JSON on standard output"};
  }
  if (output == "-" && output_is_terminal()) {
    return Error{ErrorCode::kInvalidArgument,
                 "a picture would do a terminal no good; -o FILE writes it to a file"};
  }
  if (output == "-") return {};
  std::error_code unknown;
  if (std::filesystem::is_directory(output, unknown)) {
    return Error{ErrorCode::kInternal, "cannot write " + output + ": it is a folder"};
  }
  const std::filesystem::path folder = std::filesystem::path(output).parent_path();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) {
    return file_error(errno, "cannot write to the folder " + folder.string());
  }
  return {};
}

}  // namespace francine::cli
