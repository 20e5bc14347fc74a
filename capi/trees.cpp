// Pytrees.
#include "capi/wrap.hpp"
#include "control/call.hpp"

using namespace jv;
using namespace jv::capi;

static constexpr jaxvjp_value* no_value = nullptr;

static Values items_of(View& cx, jaxvjp_value* const* items, size_t n) {
  Values all = values(cx, items, n, "items");
  for (const ValueRef& v : all)
    if (v->session.get() != &cx.session())
      fail(Code::invalid_argument, "an item is of another session");
  return all;
}

jaxvjp_value* jaxvjp_none(jaxvjp_context* cx) {
  return guard(cx, "none", no_value,
               [](View& view) { return keep(view, none_value(view.session())); });
}
jaxvjp_value* jaxvjp_tuple(jaxvjp_context* cx, jaxvjp_value* const* items, size_t n) {
  return guard(cx, "tuple", no_value, [&](View& view) {
    return keep(view, sequence_value(view.session(), Kind::tuple, items_of(view, items, n)));
  });
}
jaxvjp_value* jaxvjp_list(jaxvjp_context* cx, jaxvjp_value* const* items, size_t n) {
  return guard(cx, "list", no_value, [&](View& view) {
    return keep(view, sequence_value(view.session(), Kind::list, items_of(view, items, n)));
  });
}
jaxvjp_value* jaxvjp_dict(jaxvjp_context* cx, const char* const* keys, jaxvjp_value* const* items,
                          size_t n) {
  return guard(cx, "dict", no_value, [&](View& view) {
    if (n && !keys) fail_null("keys");
    std::vector<std::string> names;
    for (size_t i = 0; i < n; ++i) names.push_back(&required(keys[i], "a key"));
    return keep(view, dict_value(view.session(), std::move(names), items_of(view, items, n)));
  });
}

jaxvjp_value* jaxvjp_opaque(jaxvjp_context* cx, void* pointer, jaxvjp_destroy_fn destroy) {
  Ref<Opaque> box;
  try {
    box = make_ref<Opaque>(pointer, destroy);
  } catch (...) {
    if (destroy) destroy(pointer);
    if (cx && !failed(*unwrap(cx))) catch_error(*unwrap(cx), "opaque");
    return nullptr;
  }
  return guard(cx, "opaque", no_value, [&](View& view) {
    return keep(view, opaque_value(view.session(), std::move(box)));
  });
}

jaxvjp_value* jaxvjp_from_function(jaxvjp_context* cx, jaxvjp_function* f) {
  return guard(cx, "from_function", no_value, [&](View& view) {
    return keep(view,
                function_value(view.session(), FunctionRef(&function(view, f, "the function"))));
  });
}

jaxvjp_function* jaxvjp_as_function(jaxvjp_context* cx, jaxvjp_value* v) {
  return guard(cx, "as_function", static_cast<jaxvjp_function*>(nullptr), [&](View& view) {
    Value& x = value(view, v, "the value");
    if (x.kind != Kind::function)
      fail(Code::tree, "as_function: the value is no function: ", x.tree->text());
    return keep(view, x.function);
  });
}

void* jaxvjp_as_pointer(jaxvjp_context* cx, jaxvjp_value* v) {
  return guard(cx, "as_pointer", static_cast<void*>(nullptr), [&](View& view) {
    Value& x = value(view, v, "the value");
    if (x.kind != Kind::opaque)
      fail(Code::tree, "as_pointer: the value is no opaque leaf: ", x.tree->text());
    return x.opaque->pointer;
  });
}

int32_t jaxvjp_kind(const jaxvjp_value* v) { return known(v) ? int32_t(unwrap(v)->kind) : 0; }
size_t jaxvjp_count(const jaxvjp_value* v) { return known(v) ? unwrap(v)->items.size() : 0; }
const char* jaxvjp_key(const jaxvjp_value* v, size_t i) {
  if (!known(v) || unwrap(v)->kind != Kind::dict || i >= unwrap(v)->items.size()) return nullptr;
  return unwrap(v)->tree->keys[i].c_str();
}

jaxvjp_value* jaxvjp_get(jaxvjp_context* cx, jaxvjp_value* v, size_t i) {
  return guard(cx, "get", no_value, [&](View& view) {
    Value& x = value(view, v, "the value");
    if (x.kind != Kind::tuple && x.kind != Kind::list && x.kind != Kind::dict)
      fail(Code::tree, "get: the value is no container: ", x.tree->text());
    if (i >= x.items.size()) fail(Code::invalid_argument, "get: item ", i, " of ", x.items.size());
    return keep(view, x.items[i]);
  });
}

jaxvjp_value* jaxvjp_lookup(jaxvjp_context* cx, jaxvjp_value* dict, const char* key) {
  return guard(cx, "lookup", no_value, [&](View& view) {
    Value& x = value(view, dict, "the dict");
    if (x.kind != Kind::dict) fail(Code::tree, "lookup: the value is no dict: ", x.tree->text());
    std::string name = &required(key, "the key"), known;
    for (size_t i = 0; i < x.items.size(); ++i) {
      if (x.tree->keys[i] == name) return keep(view, x.items[i]);
      known += (i ? ", '" : "'") + x.tree->keys[i] + "'";
    }
    fail(Code::not_found, "lookup: there is no key '", name, "' among ", known);
  });
}

size_t jaxvjp_leaf_count(const jaxvjp_value* v) { return known(v) ? unwrap(v)->tree->n_leaves : 0; }

jaxvjp_value* jaxvjp_leaf(jaxvjp_context* cx, jaxvjp_value* v, size_t i) {
  return guard(cx, "leaf", no_value, [&](View& view) {
    Values leaves;
    collect_leaves(value(view, v, "the value"), leaves);
    if (i >= leaves.size()) fail(Code::invalid_argument, "leaf: leaf ", i, " of ", leaves.size());
    return keep(view, leaves[i]);
  });
}

jaxvjp_value* jaxvjp_unflatten(jaxvjp_context* cx, jaxvjp_value* like, jaxvjp_value* const* leaves,
                               size_t n) {
  return guard(cx, "unflatten", no_value, [&](View& view) {
    Value& x = value(view, like, "the value to be like");
    Values all = items_of(view, leaves, n);
    if (n != x.tree->n_leaves)
      fail(Code::tree, "unflatten: ", x.tree->text(), " has ", x.tree->n_leaves, " leaves, got ",
           n);
    for (const ValueRef& leaf : all)
      if (!leaf->is_leaf())
        fail(Code::tree, "unflatten: expected leaves, got ", leaf->tree->text());
    Args rest = all;
    return keep(view, unflatten_values(view.session(), x.tree, rest));
  });
}

int32_t jaxvjp_same_structure(const jaxvjp_value* a, const jaxvjp_value* b) {
  return known(a) && known(b) && unwrap(a)->tree == unwrap(b)->tree;
}

jaxvjp_value* jaxvjp_tree_map(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* const* trees,
                              size_t n) {
  return guard(cx, "tree_map", no_value, [&](View& view) {
    Function& fn = function(view, f, "the function");
    Values all = values(view, trees, n, "trees");
    if (all.empty()) fail(Code::invalid_argument, "tree_map: no tree");
    std::vector<Values> leaves(n);
    for (size_t i = 0; i < n; ++i) {
      if (!(all[i]->tree == all[0]->tree))
        fail(Code::tree, "tree_map: the structures ", all[0]->tree->text(), " and ",
             all[i]->tree->text(), " differ");
      collect_leaves(*all[i], leaves[i]);
    }
    Values results;
    for (size_t k = 0; k < leaves[0].size(); ++k) {
      Values args;
      for (const Values& tree : leaves) args.push_back(tree[k]);
      results.push_back(fn.call(view, args));
      if (!results.back()->is_leaf())
        fail(Code::tree, "tree_map: ", fn.name(), " returned a container for a leaf");
    }
    Args rest = results;
    return keep(view, unflatten_values(view.session(), all[0]->tree, rest));
  });
}

jaxvjp_value* jaxvjp_zeros_like(jaxvjp_context* cx, jaxvjp_value* v) {
  return guard(cx, "zeros_like", no_value, [&](View& view) {
    Value& x = value(view, v, "the value");
    Values leaves;
    collect_leaves(x, leaves);
    Tracers zero;
    for (const ValueRef& leaf : leaves) {
      if (!leaf->aval) fail(Code::invalid_argument, "zeros_like: a zero without a type");
      zero.push_back(zeros_of(view, leaf->aval));
    }
    return keep(view, unflatten_all(view.session(), x.tree, zero));
  });
}

jaxvjp_value* jaxvjp_zero(jaxvjp_context* cx) {
  return guard(cx, "zero", no_value,
               [](View& view) { return keep(view, zero_value(view.session(), nullptr)); });
}
int32_t jaxvjp_is_zero(const jaxvjp_value* v) { return known(v) && unwrap(v)->kind == Kind::zero; }
