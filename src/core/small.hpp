// A vector whose first N elements live inside it: operands, results and shapes are short, and an
// allocation for each would cost more than the operation.
#pragma once
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace jv {

template <class T, size_t N>
class Small {
 public:
  Small() = default;
  explicit Small(size_t n, const T& value = T()) { resize(n, value); }
  Small(std::initializer_list<T> items) : Small(items.begin(), items.end()) {}
  template <class It>
  Small(It first, It last) {
    reserve(size_t(last - first));
    for (; first != last; ++first) push_back(*first);
  }
  explicit Small(std::span<const T> items) : Small(items.begin(), items.end()) {}
  Small(const Small& other) : Small(other.begin(), other.end()) {}
  Small(Small&& other) noexcept { steal(other); }
  ~Small() { reset(); }
  Small& operator=(const Small& other) {
    if (this != &other) *this = Small(other);
    return *this;
  }
  Small& operator=(Small&& other) noexcept {
    if (this == &other) return *this;
    reset();
    steal(other);
    return *this;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T& back() { return data_[size_ - 1]; }
  const T& back() const { return data_[size_ - 1]; }
  std::span<const T> subspan(size_t first, size_t n = std::dynamic_extent) const {
    return std::span<const T>(*this).subspan(first, n);
  }
  operator std::span<const T>() const { return {data_, size_}; }

  void push_back(const T& item) {
    if (size_ == capacity_) return push_back(T(item));  // it may be one of these
    new (data_ + size_) T(item);
    ++size_;
  }
  void push_back(T&& item) {
    if (size_ == capacity_) return grow(std::move(item));
    new (data_ + size_) T(std::move(item));
    ++size_;
  }
  void append(std::span<const T> items) {
    reserve(size_ + items.size());
    for (const T& item : items) push_back(item);
  }
  void resize(size_t n, const T& value = T()) {
    reserve(n);
    while (size_ < n) push_back(value);
    while (size_ > n) data_[--size_].~T();
  }
  void clear() { resize(0); }
  void insert(size_t at, T item) {
    push_back(std::move(item));
    for (size_t i = size_ - 1; i > at; --i) std::swap(data_[i], data_[i - 1]);
  }
  void erase(size_t at) {
    for (size_t i = at; i + 1 < size_; ++i) data_[i] = std::move(data_[i + 1]);
    data_[--size_].~T();
  }
  void reserve(size_t n) {
    if (n <= capacity_) return;
    T* fresh = static_cast<T*>(::operator new(n * sizeof(T)));
    std::uninitialized_move_n(data_, size_, fresh);
    std::destroy_n(data_, size_);
    if (data_ != home()) ::operator delete(data_);
    data_ = fresh;
    capacity_ = n;
  }
  friend bool operator==(const Small& a, const Small& b) {
    if (a.size_ != b.size_) return false;
    for (size_t i = 0; i < a.size_; ++i)
      if (!(a.data_[i] == b.data_[i])) return false;
    return true;
  }

 private:
  // Rare, and kept out of the code of those who push.
  [[gnu::noinline]] void grow(T item) {
    reserve(2 * capacity_);
    push_back(std::move(item));
  }
  T* home() { return reinterpret_cast<T*>(room_); }
  void reset() {
    std::destroy_n(data_, size_);
    if (data_ != home()) ::operator delete(data_);
    data_ = home();
    size_ = 0;
    capacity_ = N;
  }
  void steal(Small& other) {
    if (other.data_ != other.home()) {
      data_ = std::exchange(other.data_, other.home());
      capacity_ = std::exchange(other.capacity_, N);
      size_ = std::exchange(other.size_, 0);
      return;
    }
    std::uninitialized_move_n(other.data_, other.size_, data_);
    size_ = other.size_;
    other.reset();
  }

  alignas(T) unsigned char room_[N * sizeof(T)];
  T* data_ = home();
  size_t size_ = 0, capacity_ = N;
};

using Ints = Small<int64_t, 4>;

}  // namespace jv
