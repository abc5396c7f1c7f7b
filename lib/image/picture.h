// Finished pictures: a partial divided by its weight and encoded as a file.
//
// PNG and JPEG carry the sRGB transfer curve (IEC 61966-2-1), 8 bits a channel,
// each value rounded to the nearest code, exactly; below 0 and NaN become 0, above
// 1 becomes 255. EXR is linear float32, nothing clipped, every NaN the same NaN.
// The same partial gives the same bytes: no time, no name, one thread.
//
// Colour is associated with alpha (premultiplied), as in OpenEXR. PNG knows only
// unassociated alpha, so colour is divided by it there; JPEG has none, which shows
// the picture over black. A picture that is opaque everywhere has no alpha channel,
// nor does a PNG whose alpha is 0 everywhere below colour: that producer leaves
// alpha alone.
//
// Thread safety: the functions may be called from any thread.

#ifndef FRANCINE_IMAGE_PICTURE_H
#define FRANCINE_IMAGE_PICTURE_H

#include <cstdint>
#include <optional>
#include <string_view>

#include <francine/image.h>
#include <francine/result.h>

#include "image/partial.h"

namespace francine::image {

/// sum / weight as a file of that format. JPEG has quality 95 and full chroma.
/// kInvalidArgument: no image, a weight that is not above 0, or a side that the
/// format cannot hold (JPEG: 65,500 pixels). kInternal: the encoder failed.
Result<EncodedImage> encode_picture(const Partial& partial, Format format);

/// The name of a format in the API, which is also its file extension.
std::string_view format_name(Format format);  ///< "png", "jpg", "exr"

std::string_view content_type(Format format);  ///< "image/png", "image/jpeg", "image/x-exr"

/// The format of that name ("png", "jpg", "jpeg", "exr"); empty for any other.
std::optional<Format> parse_format(std::string_view name);

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_PICTURE_H
