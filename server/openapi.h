// docs/api/openapi.yaml as JSON, put in by the build.

#ifndef FRANCINE_SERVER_OPENAPI_H
#define FRANCINE_SERVER_OPENAPI_H

#include <string_view>

namespace francine::server {

extern const std::string_view kOpenApi;

}  // namespace francine::server

#endif  // FRANCINE_SERVER_OPENAPI_H
