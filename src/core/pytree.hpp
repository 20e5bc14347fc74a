// TreeDef: the structure of a pytree without its leaves. Structures are interned: equal ones are
// the same pointer, so that comparing two, or keying a cache on one, costs nothing. Opaque pointers
// and functions are structure, by identity.
#pragma once
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/ref.hpp"

namespace jv {

enum class Node : int32_t { leaf = 1, none = 4, tuple = 5, list = 6, dict = 7, object = 8 };

class TreeTable;

class TreeDef final : public RefCounted {
 public:
  Node node = Node::leaf;
  std::vector<std::string> keys;  // of a dict, in order
  std::vector<Ref<const TreeDef>> children;
  Ref<const RefCounted> object;  // an opaque pointer or a function
  size_t n_leaves = 0, depth = 0;
  bool has_object = false;  // here or below
  uint64_t hash = 0;

  // As people write it: {'a': *, 'b': (*, None)}
  std::string text() const;
  // The path of leaf i: ['a'][0]
  std::string path(size_t leaf) const;

 private:
  friend class TreeTable;
  void dispose() const override;
  TreeTable* table_ = nullptr;
};
using Tree = Ref<const TreeDef>;

class TreeTable {
 public:
  TreeTable();
  ~TreeTable();
  const Tree& leaf() const { return leaf_; }
  const Tree& none() const { return none_; }
  Tree sequence(Node node, std::vector<Tree> children);
  Tree dict(std::vector<std::string> keys, std::vector<Tree> children);
  Tree object(Ref<const RefCounted> object, std::vector<Tree> children = {});

 private:
  friend class TreeDef;
  Tree intern(TreeDef&& fresh);
  std::mutex mutex_;
  std::unordered_multimap<uint64_t, const TreeDef*> table_;
  Tree leaf_, none_;
};

inline constexpr size_t max_depth = 256;

}  // namespace jv
