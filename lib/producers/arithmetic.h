// arithmetic(): which bits this build computes.
//
// Two processes whose arithmetic() is the same render the same share to the same
// bits; the master keeps an execution on workers of one arithmetic. It names what
// the bits depend on: the architecture, Embree's version and the instruction set
// that it uses, and the version of the ao kernels, which grows whenever their
// results change. The kernels themselves use only IEEE + - * / and square roots,
// so their bits do not depend on the instruction set.
//
// Thread safety: any thread.

#ifndef FRANCINE_PRODUCERS_ARITHMETIC_H
#define FRANCINE_PRODUCERS_ARITHMETIC_H

#include <string>

namespace francine::producers {

/// For example "x86-64 embree-3.13.5 avx2 ao-1"; without Embree "x86-64 ao-1".
std::string arithmetic();

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_ARITHMETIC_H
