// What clients upload: by ids, and refused while the master is stopping.

#include <string>
#include <utility>

#include "runtime/master_impl.h"

namespace francine {
namespace {

Result<std::string> sha256_of(std::string_view id) { return resources::sha256_of_id(id, "id"); }

Result<std::string> id_of(const Result<resources::StoredFile>& stored) {
  if (!stored) return stored.error();
  return resources::content_id(stored->sha256);
}

Result<UploadInfo> info_of(std::string_view id, const Result<resources::UploadState>& state) {
  if (!state) return state.error();
  return UploadInfo{std::string(id), state->offset, state->size_bytes};
}

}  // namespace

Result<void> Master::Impl::open_uploads() {
  resources::UploadsOptions uploading;
  uploading.directory = data_dir_.path() / "uploads";
  uploading.sync = true;
  uploading.max_files = options_.limits.max_uploads_per_owner;
  uploading.max_unfinished_bytes = options_.limits.max_unfinished_upload_bytes_per_owner;
  uploading.max_unfinished_age = options_.limits.max_unfinished_upload_age;
  auto uploads = resources::Uploads::make(std::move(uploading), *resources_);
  if (!uploads) return uploads.error();
  uploads_ = std::move(uploads).value();
  return {};
}

Result<std::string> Master::Impl::put_resource(std::string_view owner, std::string_view expected_id,
                                               const resources::Reader& read) {
  if (refusing_) return is_stopping();
  if (expected_id.empty()) return id_of(uploads_->put(owner, {}, read));
  auto expected = sha256_of(expected_id);
  if (!expected) return expected.error();
  return id_of(uploads_->put(owner, *expected, read));
}

Result<std::string> Master::Impl::put_resource_file(std::string_view owner,
                                                    const std::filesystem::path& path) {
  if (refusing_) return is_stopping();
  return id_of(uploads_->put_file(owner, path));
}

Result<ResourceInfo> Master::Impl::find_resource(std::string_view owner,
                                                 std::string_view id) const {
  auto sha256 = sha256_of(id);
  if (!sha256) return sha256.error();
  auto found = uploads_->find(owner, *sha256);
  if (!found) return found.error();
  return ResourceInfo{std::string(id), found->size_bytes};
}

Result<UploadInfo> Master::Impl::begin_upload(std::string_view owner, std::string_view id,
                                              std::uint64_t bytes) {
  if (refusing_) return is_stopping();
  auto sha256 = sha256_of(id);
  if (!sha256) return sha256.error();
  return info_of(id, uploads_->begin(owner, *sha256, bytes));
}

Result<UploadInfo> Master::Impl::find_upload(std::string_view owner, std::string_view id) const {
  auto sha256 = sha256_of(id);
  if (!sha256) return sha256.error();
  return info_of(id, uploads_->state(owner, *sha256));
}

Result<UploadInfo> Master::Impl::continue_upload(std::string_view owner, std::string_view id,
                                                 std::uint64_t offset,
                                                 const resources::Reader& read) {
  if (refusing_) return is_stopping();
  auto sha256 = sha256_of(id);
  if (!sha256) return sha256.error();
  return info_of(id, uploads_->append(owner, *sha256, offset, read));
}

Result<void> Master::Impl::remove_upload(std::string_view owner, std::string_view id) {
  auto sha256 = sha256_of(id);
  if (!sha256) return sha256.error();
  return uploads_->remove(owner, *sha256);
}

Result<std::string> Master::put_resource(const ResourceReader& read, std::string_view owner,
                                         std::string_view expected_id) {
  return impl_->put_resource(owner, expected_id, read);
}

Result<std::string> Master::put_resource_file(const std::filesystem::path& path,
                                              std::string_view owner) {
  return impl_->put_resource_file(owner, path);
}

Result<ResourceInfo> Master::find_resource(std::string_view id, std::string_view owner) const {
  return impl_->find_resource(owner, id);
}

Result<UploadInfo> Master::begin_upload(std::string_view id, std::uint64_t bytes,
                                        std::string_view owner) {
  return impl_->begin_upload(owner, id, bytes);
}

Result<UploadInfo> Master::find_upload(std::string_view id, std::string_view owner) const {
  return impl_->find_upload(owner, id);
}

Result<UploadInfo> Master::continue_upload(std::string_view id, std::uint64_t offset,
                                           const ResourceReader& read, std::string_view owner) {
  return impl_->continue_upload(owner, id, offset, read);
}

Result<void> Master::remove_upload(std::string_view id, std::string_view owner) {
  return impl_->remove_upload(owner, id);
}

}  // namespace francine
