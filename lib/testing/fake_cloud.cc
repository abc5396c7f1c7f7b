#include <francine/testing/fake_cloud.h>

#include <utility>

#include "net/http_client.h"
#include "testing/fake_cloud_server.h"

namespace francine::testing {

FakeCloud::FakeCloud(FakeCloudOptions options)
    : server_(std::make_unique<FakeCloudServer>(std::move(options))) {}
FakeCloud::~FakeCloud() = default;

std::string FakeCloud::url() const { return server_->url(); }

Agreement FakeCloud::agree(const std::string& authorize_url) {
  std::string page;
  const auto gather = [&page](std::span<const std::uint8_t> piece) -> Result<void> {
    page.append(piece.begin(), piece.end());
    return {};
  };
  auto answer = net::HttpClient().get(authorize_url, {}, gather, 1 << 20);
  if (!answer.ok()) return {.code = {}, .state = {}, .error = answer.error().message};
  if (answer->status == 302) page = answer->refusal;  // the same page, on the way elsewhere
  if (answer->status >= 400) return {.code = {}, .state = {}, .error = answer->refusal};
  const auto end = page.find('\n');
  return {.code = page.substr(0, end), .state = page.substr(end + 1), .error = {}};
}

std::string FakeCloud::access_token() { return server_->access_token(); }
void FakeCloud::expire_access_tokens() { server_->expire_access_tokens(); }
void FakeCloud::withdraw() { server_->withdraw(); }
void FakeCloud::set_faults(const CloudFaults& faults) { server_->set_faults(faults); }
CloudCounts FakeCloud::counts() const { return server_->counts(); }

}  // namespace francine::testing
