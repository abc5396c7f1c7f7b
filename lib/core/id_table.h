// IdTable: objects by ids that are counted up and never reused.
//
// Lookup is O(1), iteration is in the order of ids, references stay valid until
// their object is erased. Pages of 64 without a living object are freed; what
// remains of them is a null pointer.

#ifndef FRANCINE_CORE_ID_TABLE_H
#define FRANCINE_CORE_ID_TABLE_H

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

namespace francine::core {

template <typename Id, typename T>
class IdTable {
 public:
  /// Adds the object of a new id, which must be larger than all before.
  T& emplace(Id id, T value) {
    const auto number = static_cast<std::uint64_t>(id);
    if (pages_.empty() && live_ == 0) first_page_ = number / kPage;
    assert(number / kPage >= first_page_);
    const std::size_t page = number / kPage - first_page_;
    while (pages_.size() <= page) pages_.emplace_back();
    if (!pages_[page]) pages_[page] = std::make_unique<Page>();
    auto& slot = pages_[page]->slots[number % kPage];
    assert(!slot);
    slot = std::make_unique<T>(std::move(value));
    ++pages_[page]->live;
    ++live_;
    return *slot;
  }

  T* find(Id id) { return const_cast<T*>(std::as_const(*this).find(id)); }
  const T* find(Id id) const {
    const auto number = static_cast<std::uint64_t>(id);
    if (number / kPage < first_page_) return nullptr;
    const std::size_t page = number / kPage - first_page_;
    if (page >= pages_.size() || !pages_[page]) return nullptr;
    return pages_[page]->slots[number % kPage].get();
  }

  /// An object that must exist.
  T& at(Id id) {
    T* found = find(id);
    assert(found != nullptr);
    return *found;
  }
  const T& at(Id id) const {
    const T* found = find(id);
    assert(found != nullptr);
    return *found;
  }

  void erase(Id id) {
    if (find(id) == nullptr) return;
    const auto number = static_cast<std::uint64_t>(id);
    auto& page = pages_[number / kPage - first_page_];
    page->slots[number % kPage].reset();
    --live_;
    if (--page->live == 0) page.reset();
    // The last page stays so that first_page_ keeps meaning something.
    while (pages_.size() > 1 && !pages_.front()) {
      pages_.pop_front();
      ++first_page_;
    }
  }

  std::size_t size() const { return live_; }

  /// Calls visit(id, object) in the order of ids. Must not add or erase.
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (std::size_t p = 0; p < pages_.size(); ++p) {
      if (!pages_[p]) continue;
      for (std::size_t s = 0; s < kPage; ++s) {
        if (pages_[p]->slots[s]) {
          visit(static_cast<Id>((first_page_ + p) * kPage + s), *pages_[p]->slots[s]);
        }
      }
    }
  }
  template <typename Visit>
  void for_each(Visit&& visit) const {
    const_cast<IdTable*>(this)->for_each(
        [&](Id id, T& object) { visit(id, std::as_const(object)); });
  }

 private:
  static constexpr std::size_t kPage = 64;
  struct Page {
    std::array<std::unique_ptr<T>, kPage> slots;
    std::size_t live = 0;
  };

  std::deque<std::unique_ptr<Page>> pages_;
  std::uint64_t first_page_ = 0;
  std::size_t live_ = 0;
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_ID_TABLE_H
