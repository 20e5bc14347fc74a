#include "core/pytree.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace jv {

static bool same(const TreeDef& a, const TreeDef& b) {
  return a.node == b.node && a.object == b.object && a.keys == b.keys && a.children == b.children;
}

static uint64_t hash_of(const TreeDef& t) {
  uint64_t hash = uint64_t(t.node) + reinterpret_cast<uintptr_t>(t.object.get());
  auto mix = [&](uint64_t x) { hash = (hash ^ x) * 0x9e3779b97f4a7c15, hash ^= hash >> 31; };
  for (const std::string& key : t.keys) mix(std::hash<std::string>()(key));
  for (const Tree& child : t.children) mix(child->hash);
  mix(t.children.size());
  return hash;
}

std::string TreeDef::text() const {
  if (node == Node::leaf) return "*";
  if (node == Node::none) return "None";
  if (node == Node::object) return "<object>";
  std::string s(1, node == Node::tuple ? '(' : node == Node::list ? '[' : '{');
  for (size_t i = 0; i < children.size(); ++i) {
    if (i) s += ", ";
    if (node == Node::dict) s += "'" + keys[i] + "': ";
    s += children[i]->text();
  }
  if (node == Node::tuple && children.size() == 1) s += ',';
  return s + (node == Node::tuple ? ')' : node == Node::list ? ']' : '}');
}

std::string TreeDef::path(size_t leaf) const {
  for (size_t i = 0; i < children.size(); ++i) {
    if (leaf < children[i]->n_leaves)
      return "[" + (node == Node::dict ? "'" + keys[i] + "'" : std::to_string(i)) + "]" +
             children[i]->path(leaf);
    leaf -= children[i]->n_leaves;
  }
  return "";
}

void TreeDef::dispose() const {
  TreeTable* table = table_;
  if (table) {
    std::lock_guard lock(table->mutex_);
    auto [first, last] = table->table_.equal_range(hash);
    table->table_.erase(std::find_if(first, last, [&](auto& row) { return row.second == this; }));
  }
  delete this;
}

TreeTable::TreeTable() {
  TreeDef leaf, none;
  leaf.n_leaves = 1;
  none.node = Node::none;
  leaf_ = intern(std::move(leaf));
  none_ = intern(std::move(none));
}

TreeTable::~TreeTable() {
  for (auto& row : table_) const_cast<TreeDef*>(row.second)->table_ = nullptr;
}

Tree TreeTable::intern(TreeDef&& fresh) {
  if (fresh.node != Node::leaf) {
    fresh.n_leaves = 0;
    fresh.has_object = fresh.object.get() != nullptr;
    for (const Tree& child : fresh.children) {
      fresh.n_leaves += child->n_leaves;
      fresh.has_object |= child->has_object;
      fresh.depth = std::max(fresh.depth, child->depth + 1);
    }
  }
  if (fresh.depth > max_depth)
    fail(Code::tree, "a pytree is nested deeper than ", max_depth, " levels");
  fresh.hash = hash_of(fresh);
  std::lock_guard lock(mutex_);
  auto [first, last] = table_.equal_range(fresh.hash);
  for (auto it = first; it != last; ++it)
    if (same(*it->second, fresh) && it->second->try_retain()) return Tree::adopt(it->second);
  auto* kept = new TreeDef(std::move(fresh));
  Tree tree(kept);
  table_.emplace(kept->hash, kept);
  kept->table_ = this;
  return tree;
}

Tree TreeTable::sequence(Node node, std::vector<Tree> children) {
  TreeDef t;
  t.node = node;
  t.children = std::move(children);
  return intern(std::move(t));
}

Tree TreeTable::dict(std::vector<std::string> keys, std::vector<Tree> children) {
  TreeDef t;
  t.node = Node::dict;
  t.keys = std::move(keys);
  t.children = std::move(children);
  return intern(std::move(t));
}

Tree TreeTable::object(Ref<const RefCounted> object, std::vector<Tree> children) {
  TreeDef t;
  t.node = Node::object;
  t.object = std::move(object);
  t.children = std::move(children);
  return intern(std::move(t));
}

}  // namespace jv
