// Small sets in a vector, in order: what a worker holds, who holds a session.

#ifndef FRANCINE_CORE_SORTED_H
#define FRANCINE_CORE_SORTED_H

#include <algorithm>
#include <type_traits>
#include <vector>

namespace francine::core {

/// False: it is there already.
template <typename T>
bool insert_sorted(std::vector<T>& values, std::type_identity_t<T> value) {
  const auto it = std::lower_bound(values.begin(), values.end(), value);
  if (it != values.end() && *it == value) return false;
  values.insert(it, value);
  return true;
}

/// One that is not there is fine.
template <typename T>
void erase_sorted(std::vector<T>& values, std::type_identity_t<T> value) {
  const auto it = std::lower_bound(values.begin(), values.end(), value);
  if (it != values.end() && *it == value) values.erase(it);
}

}  // namespace francine::core

#endif  // FRANCINE_CORE_SORTED_H
