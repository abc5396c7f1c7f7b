#include "server/rest.h"

#include <span>
#include <utility>

#include "api/answers.h"

namespace francine::server {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using net::RouteOptions;

const Caller kNobody;  ///< while there are no users
constexpr int kCreated = 201;

HttpResponse refusal(const Error& error) {
  HttpResponse response;
  response.status = api::http_status(error.code);
  response.body = api::error_json(error.message);
  const bool later =
      error.code == ErrorCode::kResourceExhausted || error.code == ErrorCode::kUnavailable;
  if (later) response.headers.emplace_back("Retry-After", "1");
  return response;
}

HttpResponse answer(Result<std::string> json, int status = 200) {
  if (!json) return refusal(json.error());
  HttpResponse response;
  response.status = status;
  response.body = *std::move(json);
  return response;
}

HttpResponse answer(const Result<Picture>& picture) {
  if (!picture) return refusal(picture.error());
  HttpResponse response;
  response.content_type = api::content_type((*picture)->format);
  // Shares the picture's life; nothing is copied.
  response.bytes = std::shared_ptr<const std::vector<std::uint8_t>>(*picture, &(*picture)->bytes);
  return response;
}

/// Whether the client wants to wait for the picture. The original took any value
/// of `block`, "false" included, for a yes.
bool blocks(const HttpRequest& request) { return request.query("block").has_value(); }

Gone gone_when_disconnected(const HttpRequest& request) {
  return [&request] { return request.disconnected(); };
}

net::HttpServerOptions http_options(const RestOptions& options) {
  net::HttpServerOptions http;
  http.bind_address = options.bind_address;
  http.port = options.port;
  http.max_connections = options.max_connections;
  http.max_threads = options.max_requests;
  return http;
}

}  // namespace

Rest::Rest(Master& master, const RestOptions& options)
    : commands_(master, options.limits), http_(http_options(options)) {
  add_sessions(options.max_body_bytes);
  add_executions(options.max_body_bytes);
  add_service(options.limits.max_resource_bytes);
}

void Rest::add_sessions(std::uint64_t max_body_bytes) {
  const RouteOptions bounded{.max_body_bytes = max_body_bytes};
  http_.route(
      "POST", "/sessions",
      [this](HttpRequest& request) {
        const Result<api::Body> body = api::parse_body(request.body());
        if (!body) return refusal(body.error());
        if (!blocks(request)) return answer(commands_.create_session(kNobody, *body), kCreated);
        return answer(commands_.create_session_and_render(kNobody, *body,
                                                          gone_when_disconnected(request)));
      },
      bounded);
  http_.route(
      "GET", "/sessions/:session",
      [this](HttpRequest& request) {
        return answer(commands_.get_session(kNobody, request.capture("session")));
      },
      bounded);
  http_.route(
      "DELETE", "/sessions/:session",
      [this](HttpRequest& request) {
        return answer(commands_.delete_session(kNobody, request.capture("session")));
      },
      bounded);
}

void Rest::add_executions(std::uint64_t max_body_bytes) {
  const RouteOptions bounded{.max_body_bytes = max_body_bytes};
  http_.route(
      "POST", "/sessions/:session/executions",
      [this](HttpRequest& request) {
        const std::string_view session = request.capture("session");
        const Result<api::Body> body = api::parse_body(request.body());
        if (!body) return refusal(body.error());
        if (!blocks(request)) {
          return answer(commands_.create_execution(kNobody, session, *body), kCreated);
        }
        return answer(commands_.create_execution_and_wait(kNobody, session, *body,
                                                          gone_when_disconnected(request)));
      },
      bounded);
  http_.route(
      "GET", "/sessions/:session/executions/:execution",
      [this](HttpRequest& request) {
        return answer(commands_.get_execution(kNobody, request.capture("session"),
                                              request.capture("execution")));
      },
      bounded);
  http_.route(
      "GET", "/sessions/:session/executions/:execution/result",
      [this](HttpRequest& request) {
        return answer(commands_.get_execution_result(kNobody, request.capture("session"),
                                                     request.capture("execution")));
      },
      bounded);
  http_.route(
      "DELETE", "/sessions/:session/executions/:execution",
      [this](HttpRequest& request) {
        return answer(commands_.cancel_execution(kNobody, request.capture("session"),
                                                 request.capture("execution")));
      },
      bounded);
}

void Rest::add_service(std::uint64_t max_resource_bytes) {
  http_.route("GET", "/", [this](HttpRequest& request) {
    if (request.method() == "HEAD") {  // says what would come, without rendering it
      HttpResponse response;
      response.headers.emplace_back("Content-Type", api::content_type(Format::kJpg));
      return response;
    }
    return answer(commands_.render_demo(request.query("parallel"), request.query("format"),
                                        gone_when_disconnected(request)));
  });
  http_.route("PUT", "/resources",
              [this](HttpRequest& request) {
                const BodyReader read = [&request](char* buffer, std::size_t size) {
                  return request.read_body({reinterpret_cast<std::uint8_t*>(buffer), size});
                };
                return answer(commands_.put_resource(read), kCreated);
              },
              {.max_body_bytes = max_resource_bytes, .stream_body = true});
  http_.route("GET", "/info", [this](HttpRequest&) { return answer(commands_.info()); });
  http_.route("GET", "/healthz", [](HttpRequest&) { return answer(api::status_json("ok")); },
              {.reserve = true});
  http_.route("GET", "/readyz", [this](HttpRequest&) { return answer(commands_.ready()); },
              {.reserve = true});
}

}  // namespace francine::server
