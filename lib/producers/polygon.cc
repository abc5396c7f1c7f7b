#include "producers/polygon.h"

#include <cmath>
#include <cstddef>

namespace francine::producers {
namespace {

// Twice the area of a triangle, positive when its corners are counter-clockwise.
template <typename Corner>
double area(const Corner& a, const Corner& b, const Corner& c) {
  return (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
}

template <typename Corner>
bool contains(const Corner& a, const Corner& b, const Corner& c, const Corner& p) {
  return area(a, b, p) >= 0 && area(b, c, p) >= 0 && area(c, a, p) >= 0;
}

}  // namespace

// Onto the plane of two axes in which the polygon's area is largest (Newell's
// method), mirrored where needed so that it is counter-clockwise there.
void Triangulator::project(std::span<const std::uint32_t> polygon,
                           std::span<const Float3> vertices) {
  double normal[3] = {};
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Float3& a = vertices[polygon[i]];
    const Float3& b = vertices[polygon[(i + 1) % polygon.size()]];
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t u = (k + 1) % 3;
      const std::size_t v = (k + 2) % 3;
      normal[k] += (double{a[u]} - double{b[u]}) * (double{a[v]} + double{b[v]});
    }
  }
  std::size_t axis = 0;
  for (std::size_t k = 1; k < 3; ++k) {
    if (std::abs(normal[k]) > std::abs(normal[axis])) axis = k;
  }
  const double mirror = normal[axis] < 0 ? -1 : 1;
  corners_.clear();
  for (const std::uint32_t vertex : polygon) {
    const Float3& p = vertices[vertex];
    corners_.push_back({mirror * double{p[(axis + 1) % 3]}, double{p[(axis + 2) % 3]}, vertex});
  }
}

bool Triangulator::is_convex() const {
  const std::size_t n = corners_.size();
  for (std::size_t i = 0; i < n; ++i) {
    if (area(corners_[i], corners_[(i + 1) % n], corners_[(i + 2) % n]) < 0) return false;
  }
  return true;
}

bool Triangulator::is_ear(std::size_t corner) {
  const std::size_t n = corners_.size();
  const Corner& before = corners_[(corner + n - 1) % n];
  const Corner& tip = corners_[corner];
  const Corner& after = corners_[(corner + 1) % n];
  if (area(before, tip, after) <= 0) return false;
  work_ += n;
  for (const Corner& other : corners_) {
    const bool its_own =
        other.vertex == before.vertex || other.vertex == tip.vertex || other.vertex == after.vertex;
    if (!its_own && contains(before, tip, after, other)) return false;
  }
  return true;
}

void Triangulator::add(std::span<const std::uint32_t> polygon, std::span<const Float3> vertices,
                       std::vector<std::array<std::uint32_t, 3>>& triangles) {
  corners_.clear();
  if (polygon.size() > 3) {
    project(polygon, vertices);
    if (is_convex()) corners_.clear();
  }
  while (corners_.size() > 3 && work_ < kWorkBudget) {
    std::size_t ear = 0;
    while (ear < corners_.size() && !is_ear(ear)) ++ear;
    if (ear == corners_.size()) break;
    const std::size_t n = corners_.size();
    triangles.push_back(
        {corners_[(ear + n - 1) % n].vertex, corners_[ear].vertex, corners_[(ear + 1) % n].vertex});
    corners_.erase(corners_.begin() + static_cast<std::ptrdiff_t>(ear));
  }
  // The rest: a convex polygon, the last ear, or what has none.
  const auto corner = [&](std::size_t i) {
    return corners_.empty() ? polygon[i] : corners_[i].vertex;
  };
  const std::size_t left = corners_.empty() ? polygon.size() : corners_.size();
  for (std::size_t i = 2; i < left; ++i) {
    triangles.push_back({corner(0), corner(i - 1), corner(i)});
  }
}

}  // namespace francine::producers
