// SimulatedImage: instead of pixels, what they were made of. Internal to lib/testing.
//
// A tree whose leaves are rendered shares and whose inner nodes are merges, as they
// really happened. verify() compares it with the one tree that `parallel` determines,
// by arithmetic of its own (not that of francine/shares.h).
//
// What a rendering looks like (means_of) is the truth of its execution, other in each
// tile, and the noise of each share: normal, with a deviation of 1 %, and the same
// whoever renders it. A wrong one is 4 or 2 times as bright or as dark, in each tile as
// the bits of its number say, so that two wrong ones agree only if these are the same.

#ifndef FRANCINE_TESTING_SIMULATED_IMAGE_H
#define FRANCINE_TESTING_SIMULATED_IMAGE_H

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <francine/shares.h>

#include "core/task.h"

namespace francine::testing {

struct SimulatedImage;
using SimulatedImagePtr = std::shared_ptr<const SimulatedImage>;

struct SimulatedImage {
  ShareRange shares;
  // Of a leaf:
  ExecutionId execution{};
  std::shared_ptr<const core::ExecutionSpec> spec;
  std::shared_ptr<const core::SessionSpec> session;  ///< whose scene it shows
  std::uint64_t seed = 0;
  std::uint32_t arithmetic = 0;
  TaskId task{};            ///< that rendered it
  std::uint64_t wrong = 0;  ///< in which way; 0: it is right
  bool firefly = false;     ///< one tile is far brighter, rightly
  // Of a merge:
  SimulatedImagePtr left;
  SimulatedImagePtr right;
};

/// How a worker renders.
struct SimulatedRenderer {
  std::uint32_t arithmetic = 0;
  std::uint64_t wrong = 0;  ///< in which way; 0: right
  double fireflies = 0;     ///< of shares
};

/// Renders the shares of a task with the scene of `session`, and merges them where they
/// are rendered.
SimulatedImagePtr render(const core::RunTask& task, ShareRange shares,
                         const std::shared_ptr<const core::SessionSpec>& session,
                         const SimulatedRenderer& renderer);

/// What is said of a rendering: see above.
core::TileMeans means_of(const SimulatedImage& image);

/// Merges the inputs to one image of `shares`, along the tree; null when they do not
/// fit together (one is missing, or covers what another covers).
SimulatedImagePtr merge(const std::vector<SimulatedImagePtr>& inputs, ShareRange shares);

/// A checksum: equal for equal images.
std::string fingerprint(const SimulatedImage& image);

/// What is wrong with a finished picture; empty: nothing.
std::string verify(const SimulatedImage& picture, ExecutionId execution,
                   const core::ExecutionSpec& spec, const std::string& session);

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_IMAGE_H
