// Params: the parameters of an equation, in the order of its primitive's signature. Those made of
// plain data are interned in the session, so that equal ones are the same pointer; those that hold
// jaxprs or rules are counted.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "core/dtype.hpp"
#include "core/ref.hpp"
#include "core/signature.hpp"
#include "core/small.hpp"

namespace jv {

// Lists of integers: padding (one a dimension), dot_general's four, or types (dtype, then shape).
using Dims = std::vector<Ints>;
using Object = Ref<const RefCounted>;
using Param = std::variant<std::monostate, bool, int64_t, DType, Ints, Dims, std::string, Object>;

class Params final : public RefCounted {
 public:
  Params(const Signature& signature, std::vector<Param> values, uint64_t hash, bool plain)
      : signature(&signature), values(std::move(values)), hash(hash), plain_(plain) {}

  const Param& operator[](std::string_view name) const { return values[signature->find(name)]; }
  bool flag(std::string_view name) const { return std::get<bool>((*this)[name]); }
  int64_t integer(std::string_view name) const { return std::get<int64_t>((*this)[name]); }
  const Ints& ints(std::string_view name) const { return std::get<Ints>((*this)[name]); }
  const Dims& dims(std::string_view name) const { return std::get<Dims>((*this)[name]); }
  DType dtype(std::string_view name) const { return std::get<DType>((*this)[name]); }
  const std::string& word(std::string_view name) const {
    return std::get<std::string>((*this)[name]);
  }
  template <class T>
  const T& object(std::string_view name) const {
    return static_cast<const T&>(*std::get<Object>((*this)[name]));
  }
  // Interned: they live as long as the session and are not counted.
  bool plain() const { return plain_; }
  void retain() const {
    if (!plain_) RefCounted::retain();
  }
  void release() const {
    if (!plain_) RefCounted::release();
  }

  const Signature* signature;
  std::vector<Param> values;
  uint64_t hash;

 private:
  const bool plain_;
};

using ParamsRef = Ref<const Params>;

class ParamsTable {
 public:
  // Values in the order of the signature.
  ParamsRef make(const Signature& signature, std::vector<Param> values);
  const ParamsRef& none() const { return none_; }
  ParamsTable();

 private:
  using Interned = std::unique_ptr<const Params>;
  // What is asked for, before there is a Params.
  struct Key {
    const Signature* signature;
    const std::vector<Param>* values;
    uint64_t hash;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Interned& p) const { return p->hash; }
    size_t operator()(const Key& k) const { return k.hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Interned& a, const Interned& b) const {
      return a->signature == b->signature && a->values == b->values;
    }
    bool operator()(const Key& k, const Interned& p) const {
      return k.signature == p->signature && *k.values == p->values;
    }
    bool operator()(const Interned& p, const Key& k) const { return (*this)(k, p); }
  };
  std::mutex mutex_;
  std::unordered_set<Interned, Hash, Equal> table_;
  ParamsRef none_;
};

}  // namespace jv
