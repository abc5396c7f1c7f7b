// SimulatedImage: instead of pixels, what they were made of. Internal to lib/testing.
//
// A tree whose leaves are rendered shares and whose inner nodes are merges, as they
// really happened. verify() compares it with the one tree that `parallel` determines,
// by arithmetic of its own (not that of francine/shares.h).

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
  // Of a merge:
  SimulatedImagePtr left;
  SimulatedImagePtr right;
};

/// Renders the shares of a task with the scene of `session`, and merges them where they
/// are rendered.
SimulatedImagePtr render(const core::RunTask& task, ShareRange shares,
                         const std::shared_ptr<const core::SessionSpec>& session,
                         std::uint32_t arithmetic);

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
