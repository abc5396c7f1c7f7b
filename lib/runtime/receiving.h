// Receiving: a worker's part in spreading the files of sessions (core/spreading.h). It
// receives them from the parents that the master named, two stripes at once, and others
// receive them from it meanwhile and later.
//
// A parent that breaks off, does not answer or says nothing for some seconds is left for the
// next; after the last the first is tried again. When for kPatience nobody has sent
// anything, that was it: whoever waits gets the files in another way (ResourceCache), until
// the master names new parents. Files that turn out to be other ones than those expected
// are not kept.
//
// Thread safety: all methods from any thread. release(), release_all() and the destructor
// end what is being received, and wait for that.

#ifndef FRANCINE_RUNTIME_RECEIVING_H
#define FRANCINE_RUNTIME_RECEIVING_H

#include <array>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <francine/ids.h>

#include "core/task.h"
#include "resources/arrival.h"
#include "resources/resource_cache.h"
#include "runtime/blobs.h"

namespace francine::runtime {

class Receiving {
 public:
  static constexpr std::chrono::seconds kPatience{10};

  /// `on_received`: all files of the session are in the store; called from threads of its
  /// own, not while a method of it runs there. Both references must outlive the object.
  Receiving(resources::ResourceCache& resources, Blobs& blobs,
            std::function<void(SessionId)> on_received);
  ~Receiving();

  /// `master_endpoint` stands for the parent "".
  void receive(const core::ReceiveFiles& files, const std::string& master_endpoint);
  /// The caller brings the files of the session itself, or the rest of what has come of them,
  /// and others are sent them meanwhile; give_up() when they do not come. What has come is
  /// kept for the next begin(), unless it is `wrong`.
  std::shared_ptr<resources::Arrival> begin(SessionId session, const core::SessionSpec& spec);
  void give_up(SessionId session, const std::shared_ptr<resources::Arrival>& arrival, bool wrong);

  /// Until the files are there, or do not come, or `stop`.
  void wait(SessionId session, const std::stop_token& stop) const;
  /// To send it to others; null: nothing of it comes within `patience`.
  std::shared_ptr<const resources::Arrival> find(SessionId session,
                                                 std::chrono::milliseconds patience) const;

  void release(SessionId session);
  void release_all();

 private:
  using Parents = std::array<std::vector<std::string>, core::kStripes>;
  struct Session;

  std::shared_ptr<resources::Arrival> make_arrival(SessionId id, const core::SessionSpec& spec);
  void run(SessionId id, const std::shared_ptr<Session>& session, std::size_t stripe,
           const std::stop_token& stop);
  /// Goes through the parents once. Whether anybody has told anything.
  bool ask_parents(SessionId id, Session& session, std::size_t stripe, const std::stop_token& stop,
                   bool& hopeless);
  void join_ended(SessionId id);
  std::shared_ptr<Session> take(SessionId id);

  resources::ResourceCache& resources_;
  Blobs& blobs_;
  const std::function<void(SessionId)> on_received_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::map<SessionId, std::shared_ptr<Session>> sessions_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_RECEIVING_H
