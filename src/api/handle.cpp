#include "api/handle.hpp"

namespace jv {

Root::Root(Session& session, int32_t flags) : Context(session), flags(flags) {
  check_nans = flags & check_nans_flag;
}
Root::~Root() = default;

View::View(Ref<Root> root) : root_(std::move(root)), depth_(root_->top().depth) {}
View::View(View& caller, StageTrace* staging)
    : staging(staging), root_(caller.root_), depth_(root_->top().depth) {}
View::~View() { drop_from(0); }

namespace {
// What stands in the memory of a handle that is gone.
class Closed final : public Handle {
 public:
  explicit Closed(uint32_t of_scope) {
    closed = true;
    scope = of_scope;
    retain();
  }

 private:
  void dispose() const override {}  // for ever
};
}  // namespace

void Handle::dispose() const {
  if (!keeper) return RefCounted::dispose();
  Ref<Session> session(keeper);
  uint32_t was = scope;
  void* memory = const_cast<void*>(dynamic_cast<const void*>(this));
  this->~Handle();
  new (memory) Closed(was);
  session->bury(memory);
}

void View::hold(Handle* handle) {
  handles_.push_back(handle);
  if ((root_->flags & check_handles_flag) && !handle->keeper) {
    handle->keeper = &root_->session();
    handle->scope = uint32_t(scopes_.empty() ? 0 : scopes_.back().number);
  }
  handle->scope_owner = this;
  handle->scope_slot = uint32_t(handles_.size() - 1);
}

bool View::take(Handle* handle) {
  size_t slot = handle->scope_slot;
  if (handle->scope_owner != this || slot >= handles_.size() || handles_[slot] != handle)
    return false;
  handles_[slot] = nullptr;
  handle->scope_owner = nullptr;
  size_t first = scopes_.empty() ? 0 : scopes_.back().first;
  while (handles_.size() > first && !handles_.back()) handles_.pop_back();
  return true;
}

size_t View::open() {
  scopes_.push_back({++last_scope_, handles_.size()});
  return last_scope_;
}

void View::close(size_t number) {
  size_t i = scopes_.size();
  while (i > 0 && scopes_[i - 1].number != number) --i;
  if (i == 0) fail(Code::invalid_argument, "scope_close: no scope ", number, " is open");
  size_t first = scopes_[i - 1].first;
  scopes_.resize(i - 1);
  drop_from(first);
}

// Newest first, and off the list before it is released: destroy functions may look at other
// handles.
void View::drop_from(size_t first) {
  while (handles_.size() > first) {
    Handle* handle = handles_.back();
    handles_.pop_back();
    if (!handle) continue;
    if (handle->scope_owner == this && handle->scope_slot == handles_.size())
      handle->scope_owner = nullptr;
    handle->release();
  }
}

}  // namespace jv
