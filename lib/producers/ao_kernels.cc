// Compiled once for each instruction set, with FRANCINE_AO_KERNELS naming the
// table that it defines. It calls nothing and includes no header with inline
// functions: the linker may keep any one copy of such a function, also one of
// instructions that another CPU lacks.

#include "producers/ao_kernels.h"

namespace francine::producers {
namespace {

constexpr float kRadius = 0.5F;
constexpr float kCentres[3][3] = {{-2.0F, 0.0F, -3.5F}, {-0.5F, 0.0F, -3.0F}, {1.0F, 0.0F, -2.2F}};
constexpr float kPlaneY = -0.5F;
constexpr float kFar = 1e17F;  // as in the original: nothing is further away

float square_root(float x) { return __builtin_sqrtf(x); }
float magnitude(float x) { return __builtin_fabsf(x); }

// The upper and the lower half of a word as floats; the conversion of a signed
// number is one instruction.
float upper_half(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 16));
}
float lower_half(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word & 0xffff));
}

void primary_rays(const SubpixelGrid& grid, const SubpixelBatch& subpixels, PrimaryRays& rays) {
  const CameraRays& camera = grid.camera;
  const std::uint32_t seed_low = grid.seed_low;
  const std::uint32_t seed_high = grid.seed_high;
  const float jitter = grid.cell / 65536.0F;
  for (int i = 0; i < kLanes; ++i) {
    // pcg4d.
    constexpr std::uint32_t kMultiplier = 1664525;
    constexpr std::uint32_t kIncrement = 1013904223;
    std::uint32_t a = subpixels.pixel.at[i] * kMultiplier + kIncrement;
    std::uint32_t b = subpixels.index.at[i] * kMultiplier + kIncrement;
    std::uint32_t c = seed_low * kMultiplier + kIncrement;
    std::uint32_t d = seed_high * kMultiplier + kIncrement;
    a += b * d;
    b += c * a;
    c += a * b;
    d += b * c;
    a ^= a >> 16;
    b ^= b >> 16;
    c ^= c >> 16;
    d ^= d >> 16;
    a += b * d;
    b += c * a;
    c += a * b;
    d += b * c;
    rays.key_add.at[i] = c;
    rays.key_xor.at[i] = d;

    const float x = (subpixels.x.at[i] - grid.half_width) +
                    (subpixels.cell_x.at[i] * grid.cell + (upper_half(a) + 0.5F) * jitter);
    const float y = (subpixels.y.at[i] - grid.half_height) +
                    (subpixels.cell_y.at[i] * grid.cell + (upper_half(b) + 0.5F) * jitter);
    const float dx = camera.forward[0] + x * camera.right[0] + y * camera.down[0];
    const float dy = camera.forward[1] + x * camera.right[1] + y * camera.down[1];
    const float dz = camera.forward[2] + x * camera.right[2] + y * camera.down[2];
    const float scale = 1.0F / square_root(dx * dx + dy * dy + dz * dz);
    rays.direction.x.at[i] = dx * scale;
    rays.direction.y.at[i] = dy * scale;
    rays.direction.z.at[i] = dz * scale;
  }
}

void classic_hits(const float origin[3], const PrimaryRays& rays, ClassicHits& hits) {
  const float ox = origin[0];
  const float oy = origin[1];
  const float oz = origin[2];
  for (int i = 0; i < kLanes; ++i) {
    const float dx = rays.direction.x.at[i];
    const float dy = rays.direction.y.at[i];
    const float dz = rays.direction.z.at[i];
    float nearest = kFar;
    std::uint32_t shape = kNothing;
    for (std::uint32_t sphere = 0; sphere < 3; ++sphere) {
      const float cx = kCentres[sphere][0] - ox;
      const float cy = kCentres[sphere][1] - oy;
      const float cz = kCentres[sphere][2] - oz;
      const float along = cx * dx + cy * dy + cz * dz;
      const float discriminant = along * along - (cx * cx + cy * cy + cz * cz - kRadius * kRadius);
      const float root = square_root(discriminant > 0.0F ? discriminant : 0.0F);
      const float distance = discriminant > 0.0F ? along - root : kFar;
      const bool nearer = (distance > 0.0F) & (distance < nearest);
      nearest = nearer ? distance : nearest;
      shape = nearer ? sphere : shape;
    }
    const float to_plane = (kPlaneY - oy) / dy;  // infinite, or NaN, along the plane: no hit
    const bool nearer = (to_plane > 0.0F) & (to_plane < nearest);
    nearest = nearer ? to_plane : nearest;
    shape = nearer ? static_cast<std::uint32_t>(kPlane) : shape;
    hits.shape.at[i] = shape;
    hits.point.x.at[i] = ox + nearest * dx;
    hits.point.y.at[i] = oy + nearest * dy;
    hits.point.z.at[i] = oz + nearest * dz;
  }
}

// Duff et al., "Building an Orthonormal Basis, Revisited", JCGT 2017.
void frames(OcclusionBatch& batch) {
  for (int i = 0; i < kLanes; ++i) {
    const float x = batch.normal.x.at[i];
    const float y = batch.normal.y.at[i];
    const float z = batch.normal.z.at[i];
    const float sign = z >= 0.0F ? 1.0F : -1.0F;
    const float a = -1.0F / (sign + z);
    const float b = x * y * a;
    batch.tangent.x.at[i] = 1.0F + sign * x * x * a;
    batch.tangent.y.at[i] = sign * b;
    batch.tangent.z.at[i] = -sign * x;
    batch.bitangent.x.at[i] = b;
    batch.bitangent.y.at[i] = sign + y * y * a;
    batch.bitangent.z.at[i] = -y;
  }
}

// The unit of a cell's 65,536 parts on the disk of radius 1.
float disk_scale(const OcclusionGrid& grid) {
  return 2.0F / (65536.0F * static_cast<float>(grid.side));
}

// Where, in these units from the middle of the square, the midpoint of the first
// part of a cell lies. Exact: at most 22 bits.
float cell_offset(const OcclusionGrid& grid, int cell) {
  return static_cast<float>(cell * 65536 - grid.side * 32768) + 0.5F;
}

void classic_frames(const OcclusionGrid& grid, ClassicBatch& batch) {
  OcclusionBatch& at = batch.at;
  for (int i = 0; i < kLanes; ++i) {
    const std::uint32_t shape = batch.shape.at[i];
    float cx = shape == kSphere0 ? kCentres[0][0] : kCentres[1][0];
    float cz = shape == kSphere0 ? kCentres[0][2] : kCentres[1][2];
    cx = shape == kSphere2 ? kCentres[2][0] : cx;
    cz = shape == kSphere2 ? kCentres[2][2] : cz;
    const float x = at.point.x.at[i] - cx;
    const float y = at.point.y.at[i];
    const float z = at.point.z.at[i] - cz;
    const float scale = 1.0F / square_root(x * x + y * y + z * z);
    at.normal.x.at[i] = shape == kPlane ? 0.0F : x * scale;
    at.normal.y.at[i] = shape == kPlane ? 1.0F : y * scale;
    at.normal.z.at[i] = shape == kPlane ? 0.0F : z * scale;
  }
  frames(at);

  // A ray along d from p meets a sphere (centre c, v = c - p) if its closest
  // approach is ahead and inside: v . d > sqrt(v.v - r r), the length of the
  // tangent; and within a distance D shorter than the tangent if
  // v . d > (v.v - r r + D D) / (2 D), which follows from solving for the hit.
  const float distance = grid.distance;
  const float inverse = 0.5F / distance;
  const float scale = disk_scale(grid);
  for (int k = 0; k < 3; ++k) {
    for (int i = 0; i < kLanes; ++i) {
      const float x = at.point.x.at[i];
      const float y = at.point.y.at[i];
      const float z = at.point.z.at[i];
      float vx = kCentres[k][0] - x;
      float vy = kCentres[k][1] - y;
      float vz = kCentres[k][2] - z;
      const float power = vx * vx + vy * vy + vz * vz - kRadius * kRadius;
      const float tangent_length = square_root(power > 0.0F ? power : 0.0F);
      float threshold =
          tangent_length > distance ? power * inverse + 0.5F * distance : tangent_length;
      // The shape itself is convex and meets none of these rays; its place is
      // taken by the plane, below every sphere.
      const bool itself = batch.shape.at[i] == static_cast<std::uint32_t>(k);
      const float height = y - kPlaneY;
      vx = itself ? 0.0F : vx;
      vy = itself ? -1.0F : vy;
      vz = itself ? 0.0F : vz;
      threshold = itself ? (height > 0.0F ? height : 0.0F) / distance : threshold;

      const float along_tangent =
          vx * at.tangent.x.at[i] + vy * at.tangent.y.at[i] + vz * at.tangent.z.at[i];
      const float along_bitangent =
          vx * at.bitangent.x.at[i] + vy * at.bitangent.y.at[i] + vz * at.bitangent.z.at[i];
      batch.axis[k].x.at[i] = along_tangent * scale;
      batch.axis[k].y.at[i] = along_bitangent * scale;
      batch.axis[k].z.at[i] =
          vx * at.normal.x.at[i] + vy * at.normal.y.at[i] + vz * at.normal.z.at[i];
      batch.threshold[k].at[i] = threshold;
    }
  }
}

struct Direction {
  float x, y;  // in parts of a cell
  float z;
};

// Whether the second coordinate of a cell's points on the square is the longer one.
enum class Steep { kNo, kYes, kVaries };

// Known for all but the cells on the two diagonals, which saves the choices.
Steep steepness(const OcclusionGrid& grid, int cell_x, int cell_y) {
  const int last = grid.side - 1;
  const int x = 2 * cell_x < last ? last - cell_x : cell_x;  // mirrored to the upper half
  const int y = 2 * cell_y < last ? last - cell_y : cell_y;
  if (x == y) return Steep::kVaries;
  return y > x ? Steep::kYes : Steep::kNo;
}

// The direction of a cell's ray in the frame of the normal. Every value of
// kSteep that is right for the cell gives the same bits.
template <Steep kSteep>
[[gnu::always_inline]] inline Direction occlusion_direction(std::uint32_t key_add,
                                                            std::uint32_t key_xor,
                                                            std::uint32_t counter, float offset_x,
                                                            float offset_y, float square_scale) {
  std::uint32_t hash = key_add + counter;
  hash ^= hash >> 16;
  hash *= 0x7feb352dU;
  hash ^= key_xor;
  hash ^= hash >> 15;
  hash *= 0x846ca68bU;
  hash ^= hash >> 16;

  // The concentric map: the longer coordinate is the radius, the ratio of the
  // shorter one to it an angle within 45 degrees. Neither is ever 0, for parts
  // have odd multiples of a half as midpoints.
  const float a = upper_half(hash) + offset_x;
  const float b = lower_half(hash) + offset_y;
  const bool steep = kSteep == Steep::kVaries ? magnitude(b) > magnitude(a) : kSteep == Steep::kYes;
  const float radius = steep ? b : a;
  const float other = steep ? a : b;
  const float ratio = other / radius;
  // radius * cos(pi/4 ratio) and radius * sin(pi/4 ratio) = other * sin(pi/4 ratio)
  // / ratio, to 1e-7: Chebyshev fits of cos(pi/4 x) and sin(pi/4 x)/x in x^2.
  const float square = ratio * ratio;
  const float along =
      radius *
      (1.0F + square * (-0.308424264F + square * (0.0158499107F + square * -0.000318877486F)));
  const float across =
      other * (0.785398185F +
               square * (-0.0807454363F + square * (0.00249000685F + square * -3.59542901e-05F)));
  return {steep ? across : along, steep ? along : across,
          square_root(1.0F - radius * radius * square_scale)};
}

// Distinct counters for the cells of a grid, far apart as the hash likes them.
std::uint32_t cell_counter(const OcclusionGrid& grid, int cell_x, int cell_y) {
  return static_cast<std::uint32_t>(cell_y * grid.side + cell_x) * 0x9e3779b9U;
}

// Adds to `count`, for each lane, whether the ray of a cell meets something.
template <Steep kSteep>
[[gnu::always_inline]] inline void classic_cell(const ClassicBatch& batch, std::uint32_t counter,
                                                float offset_x, float offset_y, float square_scale,
                                                std::uint32_t (&count)[kLanes]) {
  for (int i = 0; i < kLanes; ++i) {
    const Direction d = occlusion_direction<kSteep>(batch.at.key_add.at[i], batch.at.key_xor.at[i],
                                                    counter, offset_x, offset_y, square_scale);
    bool met = false;
    for (int k = 0; k < 3; ++k) {
      const VectorLanes& axis = batch.axis[k];
      met |=
          d.x * axis.x.at[i] + d.y * axis.y.at[i] + d.z * axis.z.at[i] > batch.threshold[k].at[i];
    }
    count[i] += met ? 1U : 0U;
  }
}

void classic_occlusion(const OcclusionGrid& grid, const ClassicBatch& batch, WordLanes& occluded) {
  const float scale = disk_scale(grid);
  const float square = scale * scale;
  std::uint32_t count[kLanes] = {};
  for (int cell_y = 0; cell_y < grid.side; ++cell_y) {
    const float y = cell_offset(grid, cell_y);
    for (int cell_x = 0; cell_x < grid.side; ++cell_x) {
      const float x = cell_offset(grid, cell_x);
      const std::uint32_t counter = cell_counter(grid, cell_x, cell_y);
      switch (steepness(grid, cell_x, cell_y)) {
        case Steep::kNo:
          classic_cell<Steep::kNo>(batch, counter, x, y, square, count);
          break;
        case Steep::kYes:
          classic_cell<Steep::kYes>(batch, counter, x, y, square, count);
          break;
        case Steep::kVaries:
          classic_cell<Steep::kVaries>(batch, counter, x, y, square, count);
          break;
      }
    }
  }
  for (int i = 0; i < kLanes; ++i) occluded.at[i] = count[i];
}

void occlusion_directions(const OcclusionGrid& grid, int cell_x, int cell_y,
                          const OcclusionBatch& batch, RayPacket& rays) {
  const float scale = disk_scale(grid);
  const float offset_x = cell_offset(grid, cell_x);
  const float offset_y = cell_offset(grid, cell_y);
  const std::uint32_t counter = cell_counter(grid, cell_x, cell_y);
  for (int i = 0; i < kLanes; ++i) {
    const Direction d = occlusion_direction<Steep::kVaries>(
        batch.key_add.at[i], batch.key_xor.at[i], counter, offset_x, offset_y, scale * scale);
    const float x = d.x * scale;
    const float y = d.y * scale;
    rays.direction_x[i] =
        x * batch.tangent.x.at[i] + y * batch.bitangent.x.at[i] + d.z * batch.normal.x.at[i];
    rays.direction_y[i] =
        x * batch.tangent.y.at[i] + y * batch.bitangent.y.at[i] + d.z * batch.normal.y.at[i];
    rays.direction_z[i] =
        x * batch.tangent.z.at[i] + y * batch.bitangent.z.at[i] + d.z * batch.normal.z.at[i];
  }
}

}  // namespace

#define FRANCINE_AO_STRING_OF(name) #name
#define FRANCINE_AO_STRING(name) FRANCINE_AO_STRING_OF(name)

extern const AoKernels FRANCINE_AO_KERNELS;
const AoKernels FRANCINE_AO_KERNELS = {
    .instruction_set = FRANCINE_AO_STRING(FRANCINE_AO_KERNELS),
    .primary_rays = primary_rays,
    .classic_hits = classic_hits,
    .classic_frames = classic_frames,
    .classic_occlusion = classic_occlusion,
    .frames = frames,
    .occlusion_directions = occlusion_directions,
};

}  // namespace francine::producers
