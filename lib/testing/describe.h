// Describe: records, actions and states as text, for people and for comparing.
//
// One line each, without a line break, in a form that is meant to be reviewed:
// ids are w1 (worker), s1 (session), e1 (execution), t1 (task), r1 (request);
// shares are [begin, end). The lines name every field that is not at its default,
// so two records with the same line are the same. Transcripts (tests/unit/core)
// and the simulator's trace are made of them.
//
// Thread safety: pure functions.

#ifndef FRANCINE_TESTING_DESCRIBE_H
#define FRANCINE_TESTING_DESCRIBE_H

#include <string>

#include "core/effects.h"
#include "core/state.h"

namespace francine::testing {

std::string describe(const core::Record& record);
std::string describe(const core::Action& action);

/// Everything in the state, line by line: states with the same dump are equal,
/// and go on equally. Sessions, executions and workers in the order of their ids.
std::string dump(const core::State& state);

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_DESCRIBE_H
