// ProducerTable: the producers that this process knows, by name: the built-in
// ones and those that the embedding program gave.
//
// Thread safety: immutable once made; any thread.

#ifndef FRANCINE_PRODUCERS_TABLE_H
#define FRANCINE_PRODUCERS_TABLE_H

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <francine/producer.h>
#include <francine/result.h>

namespace francine::producers {

class ProducerTable {
 public:
  /// The built-in producers and `added`. kInvalidArgument, naming the producer:
  /// one of them is null, its name is not 1 to 32 characters of [a-z0-9_-], or
  /// two have the same name.
  static Result<ProducerTable> make(const std::vector<std::shared_ptr<const Producer>>& added);

  /// kInvalidArgument: "unknown producer "x": this server has ao and volume".
  Result<std::shared_ptr<const Producer>> find(std::string_view name) const;

  /// All names, sorted.
  std::vector<std::string> names() const;

 private:
  ProducerTable() = default;
  std::map<std::string, std::shared_ptr<const Producer>, std::less<>> producers_;
};

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_TABLE_H
