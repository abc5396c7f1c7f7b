// FakeDropbox: Dropbox's files/download and OAuth on loopback (fake_cloud.h). Files have
// revisions; paths are not case-sensitive, as there.
//
// Thread safety: any thread.

#ifndef FRANCINE_TESTING_FAKE_DROPBOX_H
#define FRANCINE_TESTING_FAKE_DROPBOX_H

#include <memory>
#include <string>

#include <francine/testing/fake_cloud.h>

namespace francine::testing {

class FakeDropbox final : public FakeCloud {
 public:
  explicit FakeDropbox(FakeCloudOptions options = {});
  ~FakeDropbox() override;

  std::string authorize_url() const override;
  std::string token_url() const override;

  /// Makes a file, or a new revision of it. Returns the revision. Folders above it need
  /// not be made.
  std::string put(const std::string& path, std::string bytes);
  void remove(const std::string& path);
  /// "id:...", which may stand for the path. Empty: no such file.
  std::string id_of(const std::string& path) const;

 private:
  class Files;
  std::unique_ptr<Files> files_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_FAKE_DROPBOX_H
