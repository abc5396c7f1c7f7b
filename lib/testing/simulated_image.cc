#include "testing/simulated_image.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include "testing/simulated_world.h"

namespace francine::testing {
namespace {

/// Where the children of a node of more than one share meet: the left one is the
/// largest power of two that leaves something over.
std::uint32_t middle(ShareRange node) { return node.begin + std::bit_floor(node.size() - 1); }

SimulatedImagePtr combine(SimulatedImagePtr left, SimulatedImagePtr right) {
  if (!left || !right) return nullptr;
  auto merged = std::make_shared<SimulatedImage>();
  merged->shares = {left->shares.begin, right->shares.end};
  merged->left = std::move(left);
  merged->right = std::move(right);
  return merged;
}

SimulatedImagePtr assemble(const std::vector<SimulatedImagePtr>& inputs, ShareRange node,
                           std::size_t& used) {
  for (const SimulatedImagePtr& input : inputs) {
    if (input->shares == node) {
      ++used;
      return input;
    }
  }
  if (node.size() == 1) return nullptr;
  const std::uint32_t split = middle(node);
  SimulatedImagePtr left = assemble(inputs, {node.begin, split}, used);
  if (!left) return nullptr;
  return combine(std::move(left), assemble(inputs, {split, node.end}, used));
}

// FNV-1a (Fowler, Noll and Vo), by numbers.
constexpr std::uint64_t kFnvBasis = 0xcbf29ce484222325U;
constexpr std::uint64_t kFnvPrime = 0x100000001b3U;

void add_to(std::uint64_t& hash, std::uint64_t number) { hash = (hash ^ number) * kFnvPrime; }

void add_to(std::uint64_t& hash, const std::string& text) {
  for (const char c : text) add_to(hash, static_cast<unsigned char>(c));
}

void add_to(std::uint64_t& hash, const SimulatedImage& image) {
  add_to(hash, image.shares.begin);
  add_to(hash, image.shares.end);
  if (image.left) {
    add_to(hash, *image.left);
    add_to(hash, *image.right);
    return;
  }
  add_to(hash, image.session->name);
  add_to(hash, image.spec->settings);
  add_to(hash, static_cast<std::uint64_t>(image.execution));
  add_to(hash, image.seed);
  add_to(hash, image.arithmetic);
  add_to(hash, image.wrong);
}

constexpr double kNoise = 0.01;  // of the truth: the standard deviation
constexpr double kFirefly = 100;

/// Two normal numbers of mean 0 and deviation 1 (Box and Muller, 1958).
std::array<double, 2> normals(std::uint64_t bits) {
  const double radius = std::sqrt(-2 * std::log(1 - to_unit(mix(bits, 0))));
  const double angle = 2 * std::numbers::pi * to_unit(mix(bits, 1));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

void add_look(std::array<double, core::kTiles>& look, const SimulatedImage& image) {
  if (image.left) {
    add_look(look, *image.left);
    add_look(look, *image.right);
    return;
  }
  constexpr std::array<double, 4> kWrong = {0.25, 0.5, 2, 4};
  const std::uint64_t scene = mix(static_cast<std::uint64_t>(image.execution), 0);
  const std::uint64_t share = mix(scene, image.seed);
  for (std::size_t tile = 0; tile < core::kTiles; tile += 2) {
    const std::array<double, 2> noise = normals(mix(share, tile));
    for (std::size_t i = tile; i < tile + 2; ++i) {
      const double truth = 0.1 + to_unit(mix(scene, i));
      const double right = truth * (1 + kNoise * noise[i - tile]);
      look[i] += image.wrong == 0 ? right : right * kWrong[(image.wrong >> (2 * i)) & 3U];
    }
  }
  if (image.firefly) look[share % core::kTiles] += kFirefly;
}

struct Verifier {
  const ExecutionId execution;
  const core::ExecutionSpec& spec;
  const std::string& session;
  std::uint32_t arithmetic = 0;
  std::uint32_t next_share = 0;
  std::string digest = {};  ///< of the session's file, if it has one

  std::string leaf(const SimulatedImage& image) {
    const std::string share = "share " + std::to_string(image.shares.begin);
    if (image.shares.begin != next_share++) return share + " is not in its place";
    if (image.execution != execution) return share + " is of another execution";
    if (image.spec->settings != spec.settings) return share + " has other settings";
    if (image.session->name != session) return share + " shows the scene of another session";
    if (image.seed != share_seed(spec.seed, image.shares.begin)) return share + " has another seed";
    if (arithmetic == 0) arithmetic = image.arithmetic;
    if (image.arithmetic != arithmetic) return share + " is of another arithmetic";
    for (const core::Resource& resource : image.session->resources) {
      if (digest.empty()) digest = resource.sha256;
      if (resource.sha256 != digest) return share + " shows other files than those before it";
    }
    return {};
  }

  std::string node(const SimulatedImage& image, ShareRange shares) {
    if (image.shares != shares) {
      return "the merge tree has [" + std::to_string(image.shares.begin) + "," +
             std::to_string(image.shares.end) + ") where [" + std::to_string(shares.begin) + "," +
             std::to_string(shares.end) + ") belongs";
    }
    if (shares.size() == 1) return image.left ? "a share was merged with nothing" : leaf(image);
    if (!image.left || !image.right) return "several shares were rendered as one";
    const std::uint32_t split = middle(shares);
    std::string wrong = node(*image.left, {shares.begin, split});
    return wrong.empty() ? node(*image.right, {split, shares.end}) : wrong;
  }
};

}  // namespace

SimulatedImagePtr render(const core::RunTask& task, ShareRange shares,
                         const std::shared_ptr<const core::SessionSpec>& session,
                         const SimulatedRenderer& renderer) {
  if (shares.size() > 1) {
    const std::uint32_t split = middle(shares);
    return combine(render(task, {shares.begin, split}, session, renderer),
                   render(task, {split, shares.end}, session, renderer));
  }
  auto leaf = std::make_shared<SimulatedImage>();
  leaf->shares = shares;
  leaf->execution = task.execution_id;
  leaf->spec = task.execution;
  leaf->session = session;
  leaf->seed = share_seed(task.execution->seed, shares.begin);
  leaf->arithmetic = renderer.arithmetic;
  leaf->task = task.task;
  leaf->wrong = renderer.wrong;
  leaf->firefly =
      to_unit(mix(leaf->seed, static_cast<std::uint64_t>(leaf->execution))) < renderer.fireflies;
  return leaf;
}

core::TileMeans means_of(const SimulatedImage& image) {
  std::array<double, core::kTiles> look{};
  add_look(look, image);
  core::TileMeans means{};
  for (std::size_t tile = 0; tile < core::kTiles; ++tile) {
    means[tile] = static_cast<float>(look[tile] / image.shares.size());
  }
  return means;
}

SimulatedImagePtr merge(const std::vector<SimulatedImagePtr>& inputs, ShareRange shares) {
  std::size_t used = 0;
  SimulatedImagePtr merged = assemble(inputs, shares, used);
  return used == inputs.size() ? merged : nullptr;
}

std::string fingerprint(const SimulatedImage& image) {
  std::uint64_t hash = kFnvBasis;
  add_to(hash, image);
  return std::to_string(hash);
}

std::string verify(const SimulatedImage& picture, ExecutionId execution,
                   const core::ExecutionSpec& spec, const std::string& session) {
  Verifier verifier{execution, spec, session};
  std::string wrong = verifier.node(picture, {0, spec.parallel});
  if (wrong.empty() && verifier.next_share != spec.parallel) wrong = "shares are missing";
  return wrong;
}

}  // namespace francine::testing
