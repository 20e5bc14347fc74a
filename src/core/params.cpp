#include "core/params.hpp"

#include <algorithm>

namespace jv {

static void mix(uint64_t& hash, uint64_t x) {
  hash = (hash ^ x) * 0x9e3779b97f4a7c15, hash ^= hash >> 31;
}

static void mix(uint64_t& hash, const Param& value) {
  mix(hash, value.index());
  if (auto* flag = std::get_if<bool>(&value)) mix(hash, *flag);
  if (auto* number = std::get_if<int64_t>(&value)) mix(hash, uint64_t(*number));
  if (auto* dtype = std::get_if<DType>(&value)) mix(hash, uint64_t(*dtype));
  if (auto* word = std::get_if<std::string>(&value)) mix(hash, std::hash<std::string>()(*word));
  if (auto* object = std::get_if<Object>(&value))
    mix(hash, reinterpret_cast<uintptr_t>(object->get()));
  if (auto* ints = std::get_if<Ints>(&value))
    for (int64_t i : *ints) mix(hash, uint64_t(i));
  if (auto* dims = std::get_if<Dims>(&value))
    for (const Ints& list : *dims) {
      mix(hash, list.size());
      for (int64_t i : list) mix(hash, uint64_t(i));
    }
}

ParamsTable::ParamsTable() {
  static constexpr Signature empty{};
  none_ = make(empty, {});
}

ParamsRef ParamsTable::make(const Signature& signature, std::vector<Param> values) {
  uint64_t hash = reinterpret_cast<uintptr_t>(&signature);
  for (const Param& value : values) mix(hash, value);
  auto holds_object = [](const Param& p) { return std::holds_alternative<Object>(p); };
  if (std::any_of(values.begin(), values.end(), holds_object))
    return make_ref<Params>(signature, std::move(values), hash, false);
  std::lock_guard lock(mutex_);
  if (auto it = table_.find(Key{&signature, &values, hash}); it != table_.end())
    return ParamsRef(it->get());
  auto fresh = std::make_unique<const Params>(signature, std::move(values), hash, true);
  return ParamsRef(table_.insert(std::move(fresh)).first->get());
}

}  // namespace jv
