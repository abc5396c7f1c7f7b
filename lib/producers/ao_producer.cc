#include <francine/producer.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "producers/ao_kernels.h"
#include "producers/ao_render.h"
#include "producers/ao_settings.h"
#include "producers/embree_scene.h"
#include "producers/obj_file.h"

namespace francine {
namespace {

using producers::AoSettings;
using producers::AoShare;
using producers::TriangleMesh;

Result<AoShare> read_share(const ShareRequest& request, const Image& image) {
  auto settings = producers::parse_ao_settings(request.settings, "settings");
  if (!settings) return settings.error();
  if (settings->size != image.size()) {
    return Error{ErrorCode::kInternal, "the image has not the size of the settings"};
  }
  return AoShare{*settings, request.seed, request.stop};
}

class ClassicScene final : public Scene {
 public:
  Result<void> render(const ShareRequest& request, Image& image) const override {
    const auto share = read_share(request, image);
    if (!share) return share.error();
    return producers::render_classic(*share, producers::ao_kernels(), image);
  }
};

class MeshScene final : public Scene {
 public:
  MeshScene(std::shared_ptr<const TriangleMesh> mesh,
            std::shared_ptr<const producers::MeshTracer> tracer)
      : mesh_(std::move(mesh)), tracer_(std::move(tracer)) {}

  Result<void> render(const ShareRequest& request, Image& image) const override {
    const auto share = read_share(request, image);
    if (!share) return share.error();
    return producers::render_mesh(*share, producers::ao_kernels(), *mesh_, *tracer_, image);
  }

 private:
  std::shared_ptr<const TriangleMesh> mesh_;
  std::shared_ptr<const producers::MeshTracer> tracer_;
};

bool is_obj(const std::string& name) {
  constexpr std::string_view kSuffix = ".obj";
  return name.size() >= kSuffix.size() &&
         std::equal(kSuffix.rbegin(), kSuffix.rend(), name.rbegin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

class AoProducer final : public Producer {
 public:
  std::string_view name() const override { return "ao"; }

  Result<std::string> apply_update(std::string_view settings,
                                   std::string_view update) const override {
    return producers::apply_ao_update(settings, update);
  }

  Result<ImageSize> image_size(std::string_view settings) const override {
    const auto parsed = producers::parse_ao_settings(settings, "settings");
    if (!parsed) return parsed.error();
    return parsed->size;
  }

  Result<void> check(const SceneFiles& files) const override {
    const auto mesh = read_mesh(files);
    if (!mesh) return mesh.error();
    if (*mesh != nullptr && producers::embree_arithmetic().empty()) {
      return Error{ErrorCode::kInvalidArgument,
                   "this server was built without Embree and cannot render meshes (.obj); "
                   "leave them out, or build it with -Dembree=enabled"};
    }
    return {};
  }

  Result<std::shared_ptr<const Scene>> prepare(const SceneFiles& files) const override {
    auto mesh = read_mesh(files);
    if (!mesh) return mesh.error();
    if (*mesh == nullptr) return std::shared_ptr<const Scene>(std::make_shared<ClassicScene>());
    auto tracer = producers::make_embree_tracer(*mesh);
    if (!tracer) return tracer.error();
    return std::shared_ptr<const Scene>(std::make_shared<MeshScene>(*mesh, *tracer));
  }

 private:
  // All OBJ files as one mesh; null when there is none.
  static Result<std::shared_ptr<const TriangleMesh>> read_mesh(const SceneFiles& files) {
    std::shared_ptr<TriangleMesh> mesh;
    for (const std::string& name : files.names) {
      if (!is_obj(name)) continue;
      if (mesh == nullptr) mesh = std::make_shared<TriangleMesh>();
      auto read = producers::read_obj(files.directory / name, name, {}, *mesh);
      if (!read) return read.error();
    }
    return std::shared_ptr<const TriangleMesh>(std::move(mesh));
  }
};

}  // namespace

std::shared_ptr<const Producer> make_ao_producer() { return std::make_shared<AoProducer>(); }

}  // namespace francine
