// Caller: who asks, as far as it has been proved.

#ifndef FRANCINE_SERVER_CALLER_H
#define FRANCINE_SERVER_CALLER_H

#include <string>

namespace francine::server {

struct Caller {
  std::string user;    ///< empty: nobody in particular, where no users are configured
  bool admin = false;  ///< sees what belongs to others, too
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_CALLER_H
