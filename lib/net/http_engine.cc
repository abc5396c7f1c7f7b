#include "net/http_engine.h"

#include <httplib.h>

#include <csignal>

#include "net/http_exchange.h"
#include "net/http_range.h"
#include "net/json_writer.h"

namespace francine::net {
namespace {

constexpr std::size_t kCorked = 16 << 10;

/// What httplib reads from and writes to: the request line, and the socket with
/// small pieces gathered.
class EngineStream : public httplib::Stream {
 public:
  explicit EngineStream(HttpExchange& exchange) : exchange_(exchange) {
    // Only the first "?" separates; httplib refuses a second one.
    const HttpHead& head = exchange.head();
    line_.append(head.method).append(" ").append(head.path);
    if (!head.query.empty()) line_.push_back('?');
    for (const char c : head.query) {
      if (c == '?') {
        line_ += "%3F";
      } else {
        line_.push_back(c);
      }
    }
    line_ += " HTTP/1.1\r\n\r\n";
  }

  bool flush() {
    const bool sent = exchange_.socket().send(corked_);
    corked_.clear();
    return sent;
  }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* buffer, size_t size) override {
    const size_t count = std::min(size, line_.size() - read_);
    std::copy_n(line_.data() + read_, count, buffer);
    read_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* data, size_t size) override {
    if (corked_.size() + size <= kCorked) {
      corked_.append(data, size);
      return static_cast<ssize_t>(size);
    }
    const bool sent = exchange_.socket().send(corked_, {data, size});
    corked_.clear();
    return sent ? static_cast<ssize_t>(size) : -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = exchange_.remote();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  socket_t socket() const override { return exchange_.socket().socket(); }

 private:
  HttpExchange& exchange_;
  std::string line_;
  size_t read_ = 0;
  std::string corked_;
};

struct Serving {
  HttpExchange& exchange;
  EngineStream& stream;
};

/// The request that httplib works on in this thread: process_request() carries no
/// context to its handlers.
thread_local Serving* serving = nullptr;

/// httplib's constructor ignores SIGPIPE for the whole process, which is not a
/// library's business (children inherit it): first remember it, then restore it.
class SignalKeeper {
 protected:
  SignalKeeper() { ::sigaction(SIGPIPE, nullptr, &kept_); }
  void restore() { ::sigaction(SIGPIPE, &kept_, nullptr); }

 private:
  struct sigaction kept_ {};
};

void put_bytes(std::shared_ptr<const std::vector<std::uint8_t>> bytes, ByteRange range,
               const std::string& type, httplib::Response& out) {
  out.set_content_provider(
      range.size, type,
      [bytes = std::move(bytes), range](size_t offset, size_t size, httplib::DataSink& sink) {
        const auto* from = bytes->data() + range.offset + offset;
        return sink.write(reinterpret_cast<const char*>(from), size);
      });
}

void put_stream(HttpResponse& answer, bool http_1_0, httplib::Response& out) {
  auto run = [stream = std::move(answer.stream), at = serving](httplib::DataSink& sink) {
    try {
      return stream([&](std::string_view piece) {
        return piece.empty() || (sink.write(piece.data(), piece.size()) && at->stream.flush());
      });
    } catch (...) {
      return false;  // the answer is torn, and the client sees it
    }
  };
  if (answer.stream_bytes) {
    const std::uint64_t total = *answer.stream_bytes;
    auto whole = [run, total](size_t, size_t, httplib::DataSink& sink) {
      std::uint64_t written = 0;
      httplib::DataSink counted;
      counted.write = [&](const char* data, size_t size) {
        written += size;
        return written <= total && sink.write(data, size);
      };
      return run(counted) && written == total;
    };
    out.set_content_provider(static_cast<size_t>(total), answer.content_type, std::move(whole));
    return;
  }
  auto until_end = [run](size_t, httplib::DataSink& sink) {
    const bool complete = run(sink);
    if (complete) sink.done();
    return complete;
  };
  if (http_1_0) {
    out.set_content_provider(answer.content_type, std::move(until_end));
  } else {
    out.set_chunked_content_provider(answer.content_type, std::move(until_end));
  }
}

void put_body(std::string body, const std::string& type, httplib::Response& out) {
  if (body.empty()) return;
  out.body = std::move(body);
  out.set_header("Content-Type", type);
}

/// Bytes, or the range of them that the client asks for.
void put_range(HttpResponse& answer, HttpExchange& exchange, httplib::Response& out) {
  const std::uint64_t total = answer.bytes->size();
  const HttpHead& head = exchange.head();
  const auto header = head.header("Range");
  const bool whole = !header || answer.status != 200 || head.method != "GET" ||
                     head.header("If-Range").has_value();
  std::optional<ByteRange> range;
  if (!whole) range = read_range(*header, total);
  if (answer.status == 200) out.set_header("Accept-Ranges", "bytes");
  if (range && range->size == 0) {
    out.status = 416;
    out.set_header("Content-Range", "bytes */" + std::to_string(total));
    HttpResponse refusal = exchange.refusal(416, "The range lies outside.");
    put_body(std::move(refusal.body), refusal.content_type, out);
    return;
  }
  if (range) {
    out.status = 206;
    out.set_header("Content-Range", "bytes " + std::to_string(range->offset) + "-" +
                                        std::to_string(range->offset + range->size - 1) + "/" +
                                        std::to_string(total));
  }
  put_bytes(std::move(answer.bytes), range.value_or(ByteRange{0, total}), answer.content_type, out);
}

/// Gives `answer` to httplib.
void put_answer(HttpResponse answer, HttpExchange& exchange, httplib::Response& out) {
  out.status = answer.status;
  for (const auto& [name, value] : answer.headers) out.set_header(name, value);
  if (answer.stream && answer.stream_bytes != 0) {
    put_stream(answer, exchange.head().http_1_0, out);
  } else if (answer.bytes && !answer.bytes->empty()) {
    put_range(answer, exchange, out);
  } else {
    put_body(std::move(answer.body), answer.content_type, out);
  }
}

}  // namespace

class HttpEngine::Impl : private SignalKeeper, public httplib::Server {
 public:
  Impl(const HttpServerOptions& options, const std::atomic<bool>& breaking_off)
      : options_(options), breaking_off_(breaking_off) {
    restore();
    // httplib sends content only while it believes that it listens.
    svr_sock_ = 0;
    set_pre_routing_handler([](const httplib::Request& request, httplib::Response& out) {
      HttpExchange& exchange = serving->exchange;
      put_answer(exchange.answer(request.params), exchange, out);
      return HandlerResponse::Handled;
    });
    set_post_routing_handler([](const httplib::Request&, httplib::Response& out) {
      out.headers.erase("Keep-Alive");
      if (!serving->exchange.reusable()) out.set_header("Connection", "close");
    });
  }

  bool serve(HttpConnection& connection) {
    HttpExchange exchange(options_, breaking_off_, connection);
    EngineStream stream(exchange);
    Serving current{exchange, stream};
    serving = &current;
    bool closed = false;
    const bool answered = process_request(stream, false, closed, nullptr);
    serving = nullptr;
    return stream.flush() && answered && exchange.reusable() && !breaking_off_;
  }

 private:
  const HttpServerOptions& options_;
  const std::atomic<bool>& breaking_off_;
};

HttpEngine::HttpEngine(const HttpServerOptions& options, const std::atomic<bool>& breaking_off)
    : impl_(std::make_unique<Impl>(options, breaking_off)) {}
HttpEngine::~HttpEngine() = default;

bool HttpEngine::serve(HttpConnection& connection) { return impl_->serve(connection); }

HttpResponse error_answer(const HttpServerOptions& options, int status, std::string_view reason) {
  HttpResponse answer;
  if (options.error_answer) {
    answer = options.error_answer(status, reason);
  } else {
    JsonWriter(answer.body).begin_object().member("error", reason).end_object();
  }
  answer.status = status;
  return answer;
}

std::string last_words(const HttpResponse& answer, bool without_body) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " \r\n";
  for (const auto& [name, value] : answer.headers) {
    text.append(name).append(": ").append(value).append("\r\n");
  }
  if (!answer.body.empty()) text.append("Content-Type: ").append(answer.content_type) += "\r\n";
  text.append("Connection: close\r\nContent-Length: ");
  text.append(std::to_string(answer.body.size())).append("\r\n\r\n");
  if (!without_body) text += answer.body;
  return text;
}

}  // namespace francine::net
