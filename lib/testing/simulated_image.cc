#include "testing/simulated_image.h"

#include <bit>
#include <utility>

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
}

struct Verifier {
  const ExecutionId execution;
  const core::ExecutionSpec& spec;
  const std::string& session;
  std::uint32_t arithmetic = 0;
  std::uint32_t next_share = 0;

  std::string leaf(const SimulatedImage& image) {
    const std::string share = "share " + std::to_string(image.shares.begin);
    if (image.shares.begin != next_share++) return share + " is not in its place";
    if (image.execution != execution) return share + " is of another execution";
    if (image.spec->settings != spec.settings) return share + " has other settings";
    if (image.session->name != session) return share + " shows the scene of another session";
    if (image.seed != share_seed(spec.seed, image.shares.begin)) return share + " has another seed";
    if (arithmetic == 0) arithmetic = image.arithmetic;
    if (image.arithmetic != arithmetic) return share + " is of another arithmetic";
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
                         std::uint32_t arithmetic) {
  if (shares.size() > 1) {
    const std::uint32_t split = middle(shares);
    return combine(render(task, {shares.begin, split}, session, arithmetic),
                   render(task, {split, shares.end}, session, arithmetic));
  }
  auto leaf = std::make_shared<SimulatedImage>();
  leaf->shares = shares;
  leaf->execution = task.execution_id;
  leaf->spec = task.execution;
  leaf->session = session;
  leaf->seed = share_seed(task.execution->seed, shares.begin);
  leaf->arithmetic = arithmetic;
  return leaf;
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
