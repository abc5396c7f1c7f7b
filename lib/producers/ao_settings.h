// The settings of the `ao` producer: what a session's updates set.
//
//     member        value                                       default
//     width         integer, 1 to 65,536; pixels                256
//     height        integer, 1 to 65,536; pixels                256
//     samples       integer, 1 to 64; subpixels a side of each  2
//                   pixel in one share
//     aoSamples     integer, 1 to 64; occlusion rays a side of  8
//                   the grid of a subpixel, so 8 are 64 rays
//     aoDistance    number over 0; how far an occlusion ray     unlimited
//                   reaches, in units of the scene
//     camera        object: eye, lookat, up (arrays of three    see below
//                   numbers), fov (degrees from the top to the
//                   bottom of the image, 1 to 179)
//     view_changed  {"set": object as camera}: the original's
//                   way to set members of the camera
//
// An update replaces the members that it has, those of `camera` one by one, and
// `null` returns a member to its default. Members that are not listed are ignored,
// as the original did. Settings are the JSON object of what was set, without
// `view_changed`.
//
// Cameras. In the classic scene the eye is the origin and looks down -z with a
// view of 90 degrees, x over the width and y over the height of the image
// whatever its shape, as in the original, unless a member of the camera is set:
// then pixels are square and `fov` (90 unless set) is that of the height. A mesh
// is framed: the eye stands off its middle, to the right and slightly above, just
// so far that the corners of its box are in view, at a `fov` of 40 degrees.
//
// Thread safety: any thread. Errors are kInvalidArgument and name the member:
// `update.width must be an integer from 1 to 65,536, not "abc"`.

#ifndef FRANCINE_PRODUCERS_AO_SETTINGS_H
#define FRANCINE_PRODUCERS_AO_SETTINGS_H

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <francine/image.h>
#include <francine/result.h>

#include "producers/ao_kernels.h"
#include "producers/mesh.h"

namespace francine::producers {

using Double3 = std::array<double, 3>;

/// What was set of the camera.
struct AoCamera {
  std::optional<Double3> eye;
  std::optional<Double3> lookat;
  std::optional<Double3> up;
  std::optional<double> fov;

  bool empty() const { return !eye && !lookat && !up && !fov; }
};

struct AoSettings {
  ImageSize size{256, 256};
  int samples = 2;
  int ao_samples = 8;
  double ao_distance = std::numeric_limits<double>::infinity();
  AoCamera camera;
};

/// Reads settings, or an update, called `name` in errors.
Result<AoSettings> parse_ao_settings(std::string_view text, std::string_view name);

/// Applies an update, as Producer::apply_update says.
Result<std::string> apply_ao_update(std::string_view settings, std::string_view update);

/// The rays of the classic scene's camera.
CameraRays classic_camera(const AoSettings& settings);

/// The rays of a camera on a mesh that lies in `bounds`.
CameraRays mesh_camera(const AoSettings& settings, const TriangleMesh::Bounds& bounds);

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_AO_SETTINGS_H
