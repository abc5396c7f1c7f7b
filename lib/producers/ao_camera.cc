// The cameras of `ao`, in double precision. They are part of the arithmetic: the
// tangent is computed here, for libm's bits vary between versions and CPUs.

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "producers/ao_settings.h"

namespace francine::producers {
namespace {

constexpr double kPi = 3.14159265358979323846;

double dot(const Double3& a, const Double3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Double3 cross(const Double3& a, const Double3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

Double3 plus(const Double3& a, const Double3& b, double scale) {
  return {a[0] + scale * b[0], a[1] + scale * b[1], a[2] + scale * b[2]};
}

// Zero for a vector of no length. Scaled first, so that nothing underflows.
Double3 normalised(Double3 v) {
  const double largest = std::max({std::abs(v[0]), std::abs(v[1]), std::abs(v[2])});
  if (!(largest > 0)) return {};
  for (double& x : v) x /= largest;
  const double length = std::sqrt(dot(v, v));
  for (double& x : v) x /= length;
  return v;
}

// The tangent of half of an angle below 180 degrees, from the Taylor series of
// sine and cosine at a quarter of it, which converge to double precision here.
double tan_of_half(double degrees) {
  const double x = degrees * (kPi / 180) / 4;
  double sine = 0;
  double cosine = 0;
  double term = 1;
  for (int n = 0; n < 24; ++n) {
    const double sign = n % 4 < 2 ? 1 : -1;
    (n % 2 == 0 ? cosine : sine) += sign * term;
    term *= x / (n + 1);
  }
  const double quarter = sine / cosine;
  return 2 * quarter / (1 - quarter * quarter);
}

CameraRays rays(const Double3& eye, const Double3& view, const Double3& right, const Double3& down,
                double right_step, double down_step) {
  CameraRays result;
  for (std::size_t i = 0; i < 3; ++i) {
    result.origin[i] = static_cast<float>(eye[i]);
    result.forward[i] = static_cast<float>(view[i]);
    result.right[i] = static_cast<float>(right[i] * right_step);
    result.down[i] = static_cast<float>(down[i] * down_step);
  }
  return result;
}

// The axes of a camera, of length 1 and at right angles.
struct Axes {
  Double3 view, right, down;
};

// Where the direction of view or `up` leave an axis open, one is taken.
Axes axes_of(const Double3& direction, const Double3& up) {
  Axes axes;
  axes.view = normalised(direction);
  if (axes.view == Double3{}) axes.view = {0, 0, -1};
  axes.right = normalised(cross(axes.view, normalised(up)));
  if (axes.right == Double3{}) axes.right = normalised(cross(axes.view, {0, 0, -1}));
  if (axes.right == Double3{}) axes.right = {1, 0, 0};
  axes.down = cross(axes.view, axes.right);
  return axes;
}

// A camera of square pixels.
CameraRays look(const Double3& eye, const Double3& lookat, const Double3& up, double fov,
                ImageSize size) {
  const Axes axes = axes_of(plus(lookat, eye, -1), up);
  const double step = 2 * tan_of_half(fov) / size.height;
  return rays(eye, axes.view, axes.right, axes.down, step, step);
}

// How far from `lookat` the eye must stand for the corners of a box to be in view.
double framing_distance(const TriangleMesh::Bounds& bounds, const Double3& lookat, const Axes& axes,
                        double tangent_x, double tangent_y) {
  constexpr double kMargin = 1.05;
  double distance = 0;
  double extent = 0;
  for (unsigned corner = 0; corner < 8; ++corner) {
    Double3 at;
    for (std::size_t i = 0; i < 3; ++i) {
      at[i] = ((corner >> i) & 1U) != 0 ? bounds.high[i] : bounds.low[i];
    }
    const Double3 from = plus(at, lookat, -1);
    const double ahead = dot(from, axes.view);
    distance = std::max({distance, kMargin * std::abs(dot(from, axes.right)) / tangent_x - ahead,
                         kMargin * std::abs(dot(from, axes.down)) / tangent_y - ahead});
    extent = std::max(extent, std::sqrt(dot(from, from)));
  }
  // A mesh that is a line towards the eye, or a point, has no width to go by.
  return std::max(distance, extent > 0 ? 1.05 * extent : 1);
}

}  // namespace

CameraRays classic_camera(const AoSettings& settings) {
  const AoCamera& camera = settings.camera;
  if (camera.empty()) {
    return rays({0, 0, 0}, {0, 0, -1}, {1, 0, 0}, {0, -1, 0}, 2.0 / settings.size.width,
                2.0 / settings.size.height);
  }
  const Double3 eye = camera.eye.value_or(Double3{0, 0, 0});
  return look(eye, camera.lookat.value_or(plus(eye, {0, 0, -1}, 1)),
              camera.up.value_or(Double3{0, 1, 0}), camera.fov.value_or(90), settings.size);
}

CameraRays mesh_camera(const AoSettings& settings, const TriangleMesh::Bounds& bounds) {
  const AoCamera& camera = settings.camera;
  Double3 middle;
  for (std::size_t i = 0; i < 3; ++i) {
    middle[i] = (double{bounds.low[i]} + double{bounds.high[i]}) / 2;
  }
  const double fov = camera.fov.value_or(40);
  const Double3 lookat = camera.lookat.value_or(middle);
  const Double3 up = camera.up.value_or(Double3{0, 1, 0});
  if (camera.eye) return look(*camera.eye, lookat, up, fov, settings.size);
  const Double3 towards_eye{0.45, 0.4, 1};
  const Axes axes = axes_of(plus({}, towards_eye, -1), up);
  const double tangent = tan_of_half(fov);
  const double aspect = static_cast<double>(settings.size.width) / settings.size.height;
  const double distance = framing_distance(bounds, lookat, axes, tangent * aspect, tangent);
  return look(plus(lookat, axes.view, -distance), lookat, up, fov, settings.size);
}

}  // namespace francine::producers
