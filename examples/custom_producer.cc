// A renderer of one's own in a farm of one's own: this program is the master, and
// starts itself again as its workers.
//
//     custom_producer [FILE]        (default: mandelbrot.png)

#include <cmath>
#include <complex>
#include <fstream>
#include <iostream>
#include <random>
#include <string_view>

#include <francine/francine.h>

namespace {

constexpr francine::ImageSize kSize{600, 400};
constexpr int kIterations = 200;

/// How soon the point escapes from the Mandelbrot set: 0 (never) to 1 (at once).
float brightness(std::complex<double> c) {
  std::complex<double> z;
  for (int i = 0; i < kIterations; ++i) {
    z = z * z + c;
    if (std::norm(z) > 4.0) return 1.0F - std::sqrt(static_cast<float>(i) / kIterations);
  }
  return 0.0F;
}

/// Each share is one random sample a pixel; the average of many has smooth edges.
class MandelbrotScene : public francine::Scene {
 public:
  francine::Result<void> render(const francine::ShareRequest& share,
                                francine::Image& image) const override {
    std::mt19937_64 random(share.seed);
    std::uniform_real_distribution<double> jitter;
    for (int y = 0; y < kSize.height; ++y) {
      if (share.stop.stop_requested()) {
        return francine::Error{francine::ErrorCode::kCancelled, "stopped"};
      }
      for (int x = 0; x < kSize.width; ++x) {
        const std::complex<double> c((x + jitter(random)) / kSize.width * 3.0 - 2.1,
                                     (y + jitter(random)) / kSize.height * 2.0 - 1.0);
        const float value = brightness(c);
        const auto pixel = static_cast<std::size_t>(y * kSize.width + x);
        image.plane(0)[pixel] = value * value;
        image.plane(1)[pixel] = value;
        image.plane(2)[pixel] = std::sqrt(value);
        image.plane(3)[pixel] = 1.0F;
      }
    }
    return {};
  }
};

class Mandelbrot : public francine::Producer {
 public:
  std::string_view name() const override { return "mandelbrot"; }
  francine::Result<francine::ImageSize> image_size(std::string_view) const override {
    return kSize;
  }
  francine::Result<std::shared_ptr<const francine::Scene>> prepare(
      const francine::SceneFiles&) const override {
    return std::shared_ptr<const francine::Scene>(std::make_shared<MandelbrotScene>());
  }
};

int run_worker(int argc, char** argv) {
  auto options = francine::worker_options_from(argc, argv).value();
  options.producers = {std::make_shared<Mandelbrot>()};
  return francine::Worker::start(std::move(options)).value()->wait().ok() ? 0 : 1;
}

int run_master(const char* program, const char* file_name) {
  francine::MasterOptions options;
  options.instance_type = "local";
  options.instances = 2;
  options.worker_command = {program, "worker"};
  options.producers = {std::make_shared<Mandelbrot>()};
  auto master = francine::Master::start(std::move(options)).value();
  auto session = master->create_session({.producer = "mandelbrot"}).value();
  auto execution = session.create_execution({.parallel = 16}).value();
  auto picture = execution.wait().value();

  std::ofstream file(file_name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(picture->bytes.data()),
             static_cast<std::streamsize>(picture->bytes.size()));
  std::cout << file_name << ": " << picture->bytes.size() << " bytes\n";
  return file.good() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "worker") return run_worker(argc, argv);
    return run_master("/proc/self/exe", argc > 1 ? argv[1] : "mandelbrot.png");
  } catch (const francine::BadResult& failure) {
    std::cerr << failure.what() << '\n';
    return 1;
  }
}
