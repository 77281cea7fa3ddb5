import CKernels

/// A float's place in their order, as an integer.
@inline(__always) func order(_ v: V) -> I {
  let i = unsafeBitCast(v, to: I.self)
  return i ^ ((i &>> 31) & I(repeating: 0x7fff_ffff))
}
@inline(__always) func order(_ x: Float) -> Int32 {
  let i = Int32(bitPattern: x.bitPattern)
  return i ^ ((i &>> 31) & 0x7fff_ffff)
}
@inline(__always) func number(_ i: Int32) -> Float {
  Float(bitPattern: UInt32(bitPattern: i ^ ((i &>> 31) & 0x7fff_ffff)))
}

/// NaN ranks lowest: scores are not negative.
@inline(__always) func ranked(_ v: V) -> V { splat(-1).replacing(with: v, where: v .== v) }

@inline(__always) func total(_ i: I) -> Int {
  var t: Int32 = 0
  for l in 0..<lanes { t = t &+ i[l] }
  return Int(t)
}

/// How many are at `cut` or above in order.
@inline(__always) func countReaching(_ s: MutableFloats, _ count: Int, _ cut: Int32) -> Int {
  let c = I(repeating: cut)
  let one = I(repeating: 1)
  let none = I(repeating: 0)
  var n = none
  var i = 0
  while i < count {
    n = n &+ none.replacing(with: one, where: order(load(s + i)) .>= c)
    i &+= lanes
  }
  return total(n)
}

/// Sum of those at `cut` or above in order; none is negative but −1 for NaN, which counts as 0.
@inline(__always) func sumReaching(_ s: MutableFloats, _ count: Int, _ cut: Int32) -> Float {
  let c = I(repeating: cut)
  let zero = splat(0)
  var sum = zero
  var i = 0
  while i < count {
    let v = load(s + i)
    sum += zero.replacing(with: isa_max(zero, v), where: order(v) .>= c)
    i &+= lanes
  }
  return isa_sum(sum)
}

@inline(__always) func largestOf(_ s: MutableFloats, _ count: Int) -> Float {
  var m = splat(-.infinity)
  var i = 0
  while i < count {
    m = isa_max(m, load(s + i))
    i &+= lanes
  }
  return isa_largest(m)
}

/// The highest cut that at least k reach, or any that exactly k do: bisection over the order of floats.
@inline(__always) func cutOfLargest(_ s: MutableFloats, _ count: Int, _ k: Int) -> Int32 {
  var low = order(-Float.infinity)
  var high = order(largestOf(s, count))
  while low < high {
    let middle = Int32(truncatingIfNeeded: (Int64(low) &+ Int64(high) &+ 1) &>> 1)
    let n = countReaching(s, count, middle)
    if n == k { return middle }
    if n > k { low = middle } else { high = middle &- 1 }
  }
  return low
}

/// Sum of the k largest, given their cut.
@inline(__always) func sumOfLargest(_ s: MutableFloats, _ count: Int, _ cut: Int32, _ k: Int) -> Float {
  if countReaching(s, count, cut) == k { return sumReaching(s, count, cut) }
  let above = countReaching(s, count, cut &+ 1)
  let least = number(cut)
  return sumReaching(s, count, cut &+ 1) + (least > 0 ? Float(k &- above) * least : 0)
}

/// Marks the k largest, given their cut; of equals at the cut, the lower indices.
@inline(__always)
func mark(_ s: MutableFloats, _ count: Int, _ cut: Int32, _ k: Int, _ flags: UnsafeMutablePointer<Int32>) {
  let exact = countReaching(s, count, cut) == k
  let c = I(repeating: exact ? cut : cut &+ 1)
  let one = I(repeating: 1)
  let none = I(repeating: 0)
  var n = none
  var i = 0
  while i < count {
    let flag = none.replacing(with: one, where: order(load(s + i)) .>= c)
    UnsafeMutableRawPointer(flags + i).storeBytes(of: flag, as: I.self)
    n = n &+ flag
    i &+= lanes
  }
  if exact { return }
  var left = k &- total(n)
  i = 0
  while left > 0 && i < count {
    if order(s[i]) == cut {
      flags[i] = 1
      left &-= 1
    }
    i &+= 1
  }
}

/// Chooses from a row by count, coverage or threshold.
func choose(_ pointer: UnsafePointer<isa_choose>) {
  let a = pointer.pointee
  let count = Int(a.padded)
  let pool = Int(a.pool_count)
  let s = a.scratch!
  let flags = a.flags!
  var i = 0
  while i < count {
    store(s + i, ranked(load(a.scores + i)) + load(a.pool + i))
    i &+= lanes
  }
  var least = Int(a.least)
  if Int(a.kind) == ISA_CHOOSE_THRESHOLD {
    let cut = order(a.value == 0 ? 0 : a.value)
    let reached = a.value <= -1 ? pool : countReaching(s, count, cut)
    if reached >= least && reached > 0 {
      mark(s, count, a.value <= -1 ? order(-Float.greatestFiniteMagnitude) : cut, reached, flags)
      return
    }
  } else if Int(a.kind) == ISA_CHOOSE_COVERAGE {
    if a.value >= 1 {
      least = pool
    } else {
      let sum = sumReaching(s, count, order(-Float.greatestFiniteMagnitude))
      let target = (a.value - 1e-6) * sum
      if sum > 0 && target > 0 {
        var low = order(0)
        var high = order(largestOf(s, count))
        while low < high {
          let middle = Int32(truncatingIfNeeded: (Int64(low) &+ Int64(high) &+ 1) &>> 1)
          if sumReaching(s, count, middle) >= target { low = middle } else { high = middle &- 1 }
        }
        let above = countReaching(s, count, low &+ 1)
        let reaching = countReaching(s, count, low)
        let rest = (target - sumReaching(s, count, low &+ 1)) / number(low)
        var needed = above
        while needed < reaching && Float(needed &- above) < rest { needed &+= 1 }
        needed = needed < 1 ? 1 : needed
        if needed >= least {
          mark(s, count, low, needed, flags)
          return
        }
      }
    }
  }
  if least >= pool {
    mark(s, count, order(-Float.greatestFiniteMagnitude), pool, flags)
  } else {
    mark(s, count, cutOfLargest(s, count, least), least, flags)
  }
}
