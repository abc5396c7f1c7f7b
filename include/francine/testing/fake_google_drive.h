// FakeGoogleDrive: files.get, files.list and OAuth of Google Drive's API v3 on loopback
// (fake_cloud.h). Files have ids, parents and revisions; several of one name may lie in
// one folder, as there; what lies in a shared drive is found only by who says that he
// supports them.
//
// Thread safety: any thread.

#ifndef FRANCINE_TESTING_FAKE_GOOGLE_DRIVE_H
#define FRANCINE_TESTING_FAKE_GOOGLE_DRIVE_H

#include <memory>
#include <string>

#include <francine/testing/fake_cloud.h>

namespace francine::testing {

class FakeGoogleDrive final : public FakeCloud {
 public:
  explicit FakeGoogleDrive(FakeCloudOptions options = {});
  ~FakeGoogleDrive() override;

  std::string authorize_url() const override;
  std::string token_url() const override;

  /// Makes a shared drive and returns its id.
  std::string add_drive();
  /// Makes a file in My Drive, or in a shared drive, with the folders above it that are
  /// lacking, and returns its id. A second one of that path is another file. A MIME type
  /// of "application/vnd.google-apps." makes what has no bytes.
  std::string add(const std::string& path, std::string bytes, const std::string& drive = {},
                  const std::string& mime_type = "application/octet-stream");
  /// Makes a new revision.
  void change(const std::string& id, std::string bytes);
  void remove(const std::string& id);

 private:
  class Files;
  std::unique_ptr<Files> files_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_FAKE_GOOGLE_DRIVE_H
