// FakeDropbox, FakeGoogleDrive and an S3 server for tests in other languages
// (fake_clouds.py). The first line of its output tells their URLs; then each line of its
// input is a command:
//
//     agree dropbox URL        what a user does who opens the URL: "CODE STATE", or "! WHY"
//     put dropbox PATH CONTENT makes a file of this base64url: its revision, or its id at
//                              googledrive
//     withdraw dropbox         all that users agreed to so far
//     expire dropbox           all access tokens given so far
//     counts dropbox           "EXCHANGES REFRESHES CONTENT-REQUESTS"
//     object s3 KEY            what was put there: "is BASE64URL", or "none"
//     break s3 COUNT           so many requests from now on are answered 503
//
// Each is answered by one line. It ends with its input.

#include <iostream>
#include <sstream>
#include <string>

#include <francine/testing/fake_dropbox.h>
#include <francine/testing/fake_google_drive.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "s3_server.h"

namespace {

using namespace francine::testing;

struct Clouds {
  FakeDropbox dropbox;
  FakeGoogleDrive drive;
  S3Server s3;

  std::string command(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string name;
    std::string first;
    std::string second;
    words >> verb >> name >> first >> second;
    if (name == "s3") return ask_s3(verb, first);
    FakeCloud& cloud = name == "dropbox" ? static_cast<FakeCloud&>(dropbox) : drive;
    if (verb == "agree") {
      const Agreement agreed = cloud.agree(first);
      return agreed.error.empty() ? agreed.code + " " + agreed.state : "! " + agreed.error;
    }
    if (verb == "put") {
      const auto content = francine::base::from_base64url(second);
      if (!content) return "! the content is no base64url";
      return name == "dropbox" ? dropbox.put(first, *content) : drive.add(first, *content);
    }
    if (verb == "counts") {
      const CloudCounts counts = cloud.counts();
      return std::to_string(counts.exchanges) + " " + std::to_string(counts.refreshes) + " " +
             std::to_string(counts.content_requests);
    }
    if (verb == "withdraw") {
      cloud.withdraw();
    } else if (verb == "expire") {
      cloud.expire_access_tokens();
    } else {
      return "! no such command";
    }
    return "done";
  }

  std::string ask_s3(const std::string& verb, const std::string& word) {
    if (verb == "object") {
      const auto object = s3.object(word);
      if (!object) return "none";
      return "is " + francine::base::base64url(francine::base::bytes_of(*object));
    }
    if (verb == "counts") {
      return "0 0 " + std::to_string(s3.server().counts().content_requests);
    }
    if (verb != "break") return "! no such command";
    s3.server().set_faults({.broken = static_cast<unsigned>(std::stoul(word))});
    return "done";
  }
};

}  // namespace

int main() {
  Clouds clouds;
  std::cout << clouds.dropbox.url() << ' ' << clouds.dropbox.authorize_url() << ' '
            << clouds.dropbox.token_url() << ' ' << clouds.drive.url() << ' '
            << clouds.drive.authorize_url() << ' ' << clouds.drive.token_url() << ' '
            << clouds.s3.url() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << clouds.command(line) << std::endl;
  }
  return 0;
}
