// The descriptions that table.cc lists, each defined in its provider's source file.

#ifndef FRANCINE_PROVIDERS_DESCRIPTIONS_H
#define FRANCINE_PROVIDERS_DESCRIPTIONS_H

#include "providers/provider.h"

namespace francine::providers {

extern const ProviderDescription kHttpProvider;
extern const ProviderDescription kDropboxProvider;
extern const ProviderDescription kGoogleDriveProvider;
extern const ProviderDescription kS3Provider;
extern const ProviderDescription kFileProvider;

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_DESCRIPTIONS_H
