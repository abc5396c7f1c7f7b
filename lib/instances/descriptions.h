// The descriptions that table.cc lists, each defined in its backend's source file.
// (`static` has nothing but a description, in table.cc itself.)

#ifndef FRANCINE_INSTANCES_DESCRIPTIONS_H
#define FRANCINE_INSTANCES_DESCRIPTIONS_H

#include "instances/backend.h"

namespace francine::instances {

extern const BackendDescription kLocalBackend;
extern const BackendDescription kInProcessBackend;

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_DESCRIPTIONS_H
