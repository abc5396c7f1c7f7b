// Providers that are fakes of clouds, for a client that those know.

#ifndef FRANCINE_TESTS_UNIT_CLOUD_OPTIONS_H
#define FRANCINE_TESTS_UNIT_CLOUD_OPTIONS_H

#include <chrono>

#include <francine/providers.h>
#include <francine/testing/fake_dropbox.h>
#include <francine/testing/fake_google_drive.h>

namespace francine::testing {

/// Both authorised at their fakes, and impatient.
inline providers::ProviderOptions cloud_options(const FakeDropbox& dropbox,
                                                const FakeGoogleDrive& drive) {
  providers::ProviderOptions options;
  options.limits.retries = {.most = 2,
                            .first_wait = std::chrono::milliseconds(1),
                            .longest_wait = std::chrono::milliseconds(2)};
  options.dropbox.api_key = "fake client";
  options.dropbox.api_secret = "fake secret";
  options.dropbox.authorize_url = dropbox.authorize_url();
  options.dropbox.token_url = dropbox.token_url();
  options.googledrive.client_id = "fake client";
  options.googledrive.client_secret = "fake secret";
  options.googledrive.redirect_uri = "http://127.0.0.1:1/done?a=b";
  options.googledrive.authorize_url = drive.authorize_url();
  options.googledrive.token_url = drive.token_url();
  return options;
}

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_UNIT_CLOUD_OPTIONS_H
