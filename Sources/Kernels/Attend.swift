import CKernels

/// An empty state: no key seen. The reference starts at the lowest finite number, so that a score of it still counts.
func beginPanel(_ pointer: UnsafePointer<isa_panel>, _ width: Int64) {
  let a = pointer.pointee
  var i = 0
  while i < 64 {
    store(a.m + i, splat(-Float.greatestFiniteMagnitude))
    store(a.l + i, splat(0))
    i &+= lanes
  }
  i = 0
  while i < 64 &* Int(width) {
    store(a.o + i, splat(0))
    i &+= lanes
  }
}

/// Moves the reference where a block's maxima pass it by 2^8. It is exact, since sums and outputs share the reference,
/// and almost never needed after the first block.
@inline(__always)
func moveReference(_ a: isa_panel, _ width: Int) {
  var moved: Int32 = 0
  var c = 0
  while c < 64 {
    moved |= isa_any_greater(load(a.x + c), load(a.m + c) + splat(8))
    c &+= lanes
  }
  if moved == 0 { return }
  c = 0
  while c < 64 {
    let m = load(a.m + c)
    let n = isa_max(m, load(a.x + c))
    let factor = exp2(m - n)
    store(a.x + c, factor)
    store(a.l + c, load(a.l + c) * factor)
    store(a.m + c, n)
    c &+= lanes
  }
  for q in 0..<64 {
    let factor = splat(a.x[q])
    let o = a.o + q &* width
    var d = 0
    while d < width {
      store(o + d, load(o + d) * factor)
      d &+= lanes
    }
  }
}

/// P = 2^(S − reference) of `count` keys, packed for the next product; sums by block, then onto the running sum.
@inline(__always)
func exponentiate<P: Product>(_ product: P.Type, _ a: isa_panel, _ scores: Floats, _ bias: Floats?, _ count: Int) {
  #if ISA_AVX512
    let index = zipIndex()
  #endif
  var g = 0
  while g < 64 {
    let reference = load(a.m + g)
    var l0 = splat(0)
    var l1 = l0
    let s = scores + g
    let p = a.p + g
    var i = 0
    while i &+ 1 < count {
      var t = load(s + i &* 64) - reference
      var u = load(s + (i &+ 1) &* 64) - reference
      if let bias {
        t += splat(bias[i])
        u += splat(bias[i &+ 1])
      }
      if P.pack == 1 {
        let x = exp2(t)
        let y = exp2(u)
        l0 += x
        l1 += y
        store(p + i &* 64, x)
        store(p + (i &+ 1) &* 64, y)
      } else {
        #if ISA_AVX512
          let x = exp2Short(t)
          let y = exp2Short(u)
          l0 += x
          l1 += y
          store(p + (i / 2) &* 64, brainZip(x, y, index))
        #endif
      }
      i &+= 2
    }
    if i < count {
      var t = load(s + i &* 64) - reference
      if let bias { t += splat(bias[i]) }
      if P.pack == 1 {
        let x = exp2(t)
        l0 += x
        store(p + i &* 64, x)
      } else {
        #if ISA_AVX512
          let x = exp2Short(t)
          l0 += x
          store(p + (i / 2) &* 64, brainZip(x, splat(0), index))
        #endif
      }
    }
    store(a.l + g, load(a.l + g) + (l0 + l1))
    g &+= lanes
  }
}

@inline(__always)
func attendBlocks<P: Product>(_ product: P.Type, _ a: isa_attend, steps: Int, width: Int) {
  let panel = a.panel
  let packed = a.packed
  let keyBlock = Int(packed.key_block)
  let valueBlock = Int(packed.value_block)
  let keyStride = Int(packed.key_stride)
  let capacity = Int(packed.capacity)
  let count = Int(a.count)
  // As often as `scoreBlock` and `weighBlock` ask for a block.
  #if ISA_AVX512
    let asks = capacity / 4 &+ width / 64 &* 16
  #else
    let asks = 64 / (2 &* lanes)
  #endif
  var ahead = Ahead(a, calls: count &* asks)
  if a.bias.shift != nil { findShifts(a) }
  for i in 0..<count {
    let block = Int(a.list[i])
    let next = Int(a.list[i &+ 1 < count ? i &+ 1 : i])
    let keys = Int(a.sizes[block])
    if keys == 0 { continue }
    if i == 0 { prefetch(packed.values + block &* valueBlock, capacity / P.pack &* width) }
    scoreBlock(
      product, q: UnsafePointer(panel.q), keys: packed.keys + block &* keyBlock, keyStride: keyStride, steps: steps,
      count: (keys &+ 3) & ~3, s: panel.s, maxima: panel.x, next: packed.keys + next &* keyBlock,
      ahead: &ahead)
    if a.bias.shift != nil { addBias(a.bias, panel, a.bias.keys + block &* Int(a.bias.block_k), keys) }
    moveReference(panel, width)
    exponentiate(product, panel, UnsafePointer(panel.s), nil, keys)
    weighBlock(
      product, p: UnsafePointer(panel.p), values: packed.values + block &* valueBlock, width: width,
      capacitySteps: capacity / P.pack, steps: (keys &+ P.pack &- 1) / P.pack, o: panel.o,
      next: packed.values + next &* valueBlock, ahead: &ahead)
  }
}

/// One panel against the listed blocks, token by token.
func attend(_ pointer: UnsafePointer<isa_attend>) {
  let a = pointer.pointee
  let steps = Int(a.packed.steps)
  let width = Int(a.packed.width)
  #if ISA_AVX512
    if a.packed.bf16 != 0 {
      attendBlocks(BrainProduct.self, a, steps: steps, width: width)
      return
    }
  #endif
  attendBlocks(Float32Product.self, a, steps: steps, width: width)
}

@inline(__always)
func attendTerms<P: Product>(_ product: P.Type, _ a: isa_terms) {
  let panel = a.panel
  let width = Int(a.means.width)
  let total = Int(a.count)
  if a.exponentials != nil {
    attendExponentials(product, a)
    return
  }
  var nothing = Ahead(isa_attend(), calls: 0)
  var first = 0
  while first < total {
    let count = total &- first < 64 ? total &- first : 64
    let bias = a.bias + first
    let scores = a.scores + first &* 64
    if anyAbove(-.infinity, bias, count) {
      var c = 0
      while c < 64 {
        var m = splat(-.infinity)
        for i in 0..<count { m = isa_max(m, load(scores + i &* 64 + c) + splat(bias[i])) }
        store(panel.x + c, m)
        c &+= lanes
      }
      moveReference(panel, width)
      exponentiate(product, panel, scores, bias, count)
      let values = a.means.values + (first / 64) &* Int(a.means.value_block)
      weighBlock(
        product, p: UnsafePointer(panel.p), values: values, width: width, capacitySteps: 64 / P.pack,
        steps: (count &+ P.pack &- 1) / P.pack, o: panel.o, next: a.next ?? values, ahead: &nothing)
    }
    first &+= 64
  }
}

/// Whether a panel of block means has a term at all.
@inline(__always)
func anyAbove(_ least: Float, _ x: Floats, _ count: Int) -> Bool {
  var any = false
  for i in 0..<count where x[i] > least { any = true }
  return any
}

/// The same where the exponentials are there already, with the excess in them; the state is empty.
@inline(__always)
func attendExponentials<P: Product>(_ product: P.Type, _ a: isa_terms) {
  let panel = a.panel
  let width = Int(a.means.width)
  let total = Int(a.count)
  var nothing = Ahead(isa_attend(), calls: 0)
  #if ISA_AVX512
    let index = zipIndex()
  #endif
  // Without a term the reference stays the listed blocks' own.
  if !anyAbove(0, a.factors, total) { return }
  var c = 0
  while c < 64 {
    store(panel.m + c, load(a.references + c))
    c &+= lanes
  }
  var first = 0
  while first < total {
    let count = total &- first < 64 ? total &- first : 64
    let factors = a.factors + first
    if anyAbove(0, factors, count) {
      let even = (count &+ 1) & ~1
      c = 0
      while c < 64 {
        let e = a.exponentials + first &* 64 + c
        let p = panel.p + c
        var l0 = splat(0)
        var l1 = l0
        var i = 0
        while i < even {
          let x = load(e + i &* 64) * splat(factors[i])
          // Of an odd count, nothing stands beside the last.
          let y = i &+ 1 < count ? load(e + (i &+ 1) &* 64) * splat(factors[i &+ 1]) : splat(0)
          l0 += x
          l1 += y
          if P.pack == 1 {
            store(p + i &* 64, x)
            if i &+ 1 < count { store(p + (i &+ 1) &* 64, y) }
          } else {
            #if ISA_AVX512
              store(p + (i / 2) &* 64, brainZip(x, y, index))
            #endif
          }
          i &+= 2
        }
        store(panel.l + c, load(panel.l + c) + (l0 + l1))
        c &+= lanes
      }
      let values = a.means.values + (first / 64) &* Int(a.means.value_block)
      weighBlock(
        product, p: UnsafePointer(panel.p), values: values, width: width, capacitySteps: 64 / P.pack,
        steps: (count &+ P.pack &- 1) / P.pack, o: panel.o, next: a.next ?? values, ahead: &nothing)
    }
    first &+= 64
  }
}

/// One panel against block means: one softmax term for each that `bias` lets through.
func attendTerms(_ pointer: UnsafePointer<isa_terms>) {
  #if ISA_AVX512
    if pointer.pointee.means.bf16 != 0 {
      attendTerms(BrainProduct.self, pointer.pointee)
      return
    }
  #endif
  attendTerms(Float32Product.self, pointer.pointee)
}

/// Divides by the sums, converts and scatters. A row that saw no key is `empty`.
func finishPanel(_ pointer: UnsafePointer<isa_finish>) {
  let a = pointer.pointee
  let width = Int(a.width)
  let size = Int(a.size)
  for q in 0..<Int(a.count) {
    let sum = a.panel.l[q]
    let share = splat(sum == 0 ? a.empty : 1 / sum)
    let from = a.panel.o + q &* width
    let offset = (a.tokens == nil ? q : Int(a.tokens[q])) &* Int(a.stride)
    if a.element == 1 {
      let to = a.base.assumingMemoryBound(to: Float.self) + offset
      var c = 0
      while c &+ lanes <= size {
        store(to + c, load(from + c) * share)
        c &+= lanes
      }
      if c < size {
        store(a.scratch, load(from + c) * share)
        for i in c..<size { to[i] = a.scratch[i &- c] }
      }
    } else {
      let to = a.base.assumingMemoryBound(to: UInt16.self) + offset
      let half = a.element == 10
      var c = 0
      while c &+ lanes <= size {
        let x = load(from + c) * share
        if half { isa_store_half(to + c, x) } else { isa_store_brain(to + c, x) }
        c &+= lanes
      }
      if c < size {
        store(a.scratch, load(from + c) * share)
        for i in c..<size {
          let x = a.scratch[i &- c]
          to[i] = half ? isa_to_half(x) : isa_to_brain(x)
        }
      }
    }
  }
}
