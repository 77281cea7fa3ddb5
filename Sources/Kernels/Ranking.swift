import CKernels

/// Products of rows with a panel, all columns of the panel or the first few of them.
func scores(_ pointer: UnsafePointer<isa_scores>) {
  let a = pointer.pointee
  #if ISA_AVX512
    if a.bf16 != 0 {
      multiply(
        BrainProduct.self, panel: a.panel, panelStride: 64, columns: Int(a.columns), rows: a.rows,
        rowStride: Int(a.row_stride), step: 1, count: (Int(a.count) &+ 3) & ~3, steps: Int(a.steps), out: a.out,
        outStride: Int(a.out_stride), adding: false)
      return
    }
  #endif
  multiply(
    Float32Product.self, panel: a.panel, panelStride: 64, columns: Int(a.columns), rows: a.rows,
    rowStride: Int(a.row_stride), step: 1, count: (Int(a.count) &+ 3) & ~3, steps: Int(a.steps), out: a.out,
    outStride: Int(a.out_stride), adding: false)
}

@inline(__always)
func variance<P: Product>(_ product: P.Type, _ a: isa_variance) {
  let columns = Int(a.columns)
  let stride = Int(a.out_stride)
  // ln²2 takes a variance of base-2 logits to natural ones.
  let half = Float(0.5 * 0.4804530139182014)
  for b in 0..<16 {
    let tile = a.tile + b &* 64
    let keys = b < Int(a.count) ? Int(a.sizes[Int(a.first) &+ b]) : 0
    if keys == 0 {
      var c = 0
      while c < columns {
        store(tile + c, splat(0))
        c &+= lanes
      }
      continue
    }
    multiply(
      product, panel: a.panel, panelStride: 64, columns: columns,
      rows: a.packed.keys + (Int(a.first) &+ b) &* Int(a.packed.key_block), rowStride: Int(a.packed.key_stride),
      step: 1, count: (keys &+ 3) & ~3, steps: Int(a.packed.steps), out: a.s, outStride: 64, adding: false)
    let share = splat(1 / Float(keys))
    let factor = splat(half / Float(keys))
    var c = 0
    while c < columns {
      var x = splat(0)
      var y = x
      let s = a.s + c
      var i = 0
      while i &+ 1 < keys {
        x += load(s + i &* 64)
        y += load(s + (i &+ 1) &* 64)
        i &+= 2
      }
      if i < keys { x += load(s + i &* 64) }
      let mean = (x + y) * share
      x = splat(0)
      y = x
      i = 0
      while i &+ 1 < keys {
        let d = load(s + i &* 64) - mean
        let e = load(s + (i &+ 1) &* 64) - mean
        x = fma(x, d, d)
        y = fma(y, e, e)
        i &+= 2
      }
      if i < keys {
        let d = load(s + i &* 64) - mean
        x = fma(x, d, d)
      }
      store(tile + c, (x + y) * factor)
      c &+= lanes
    }
  }
  var b = 0
  while b < 16 {
    var c = 0
    while c < columns {
      transpose(
        UnsafePointer(a.tile + b &* 64 + c), 64, a.out + c &* stride + Int(a.first) + b, stride, a.s)
      c &+= lanes
    }
    b &+= lanes
  }
}

/// Half the variance, over the keys of each of 16 blocks, of its scores against mean queries; in two passes.
func variance(_ pointer: UnsafePointer<isa_variance>) {
  #if ISA_AVX512
    if pointer.pointee.packed.bf16 != 0 {
      variance(BrainProduct.self, pointer.pointee)
      return
    }
  #endif
  variance(Float32Product.self, pointer.pointee)
}

/// Coarse attention of one query block, in place; returns the sum of its `top` largest `own` entries.
func soften(_ pointer: UnsafePointer<isa_soften>) -> Float {
  let a = pointer.pointee
  let count = Int(a.count)
  var m = splat(-.infinity)
  var i = 0
  while i < count {
    m = isa_max(m, load(a.row + i) + load(a.log_sizes + i))
    i &+= lanes
  }
  let reference = splat(isa_largest(m))
  var l = splat(0)
  i = 0
  while i < count {
    let e = exp2(load(a.row + i) + load(a.log_sizes + i) - reference)
    l += e
    store(a.row + i, e)
    i &+= lanes
  }
  let share = splat(1 / isa_sum(l))
  i = 0
  while i < count {
    let x = load(a.row + i) * share
    store(a.row + i, x)
    store(a.scratch + i, ranked(x) + load(a.own + i))
    i &+= lanes
  }
  if a.top == 0 { return 0 }
  let cut = cutOfLargest(a.scratch, count, Int(a.top))
  return sumOfLargest(a.scratch, count, cut, Int(a.top))
}

/// Share of the attention mass that a zeroth-order term would lose, averaged over the block's queries.
func gap(_ pointer: UnsafePointer<isa_gap>) {
  let a = pointer.pointee
  let count = Int(a.count)
  let padded = Int(a.padded)
  let bias = a.scratch + 64 &* ((count &+ 3) & ~3)
  let log2e = splat(1.4426950408889634)
  var j = 0
  while j < padded {
    store(bias + j, fma(load(a.log_sizes + j), load(a.half_variance + j), log2e))
    store(a.out + j, splat(0))
    j &+= lanes
  }
  let total = Float(a.queries.0 &+ (a.panels > 1 ? a.queries.1 : 0))
  gapPanel(a, a.scores.0!, Int(a.queries.0), total, bias)
  if a.panels > 1 { gapPanel(a, a.scores.1!, Int(a.queries.1), total, bias) }
  j = 0
  while j < padded {
    store(a.out + j, load(a.out + j) * lost(load(a.half_variance + j)))
    j &+= lanes
  }
}

@inline(__always)
func gapPanel(_ a: isa_gap, _ scores: Floats, _ queries: Int, _ total: Float, _ bias: MutableFloats) {
  let count = Int(a.count)
  // Queries past the last weigh nothing.
  let weights = bias + Int(a.padded)
  for q in 0..<64 { weights[q] = q < queries ? 1 : 0 }
  var c = 0
  while c < 64 {
    let s = scores + c
    let e = a.scratch + c
    var m = splat(-.infinity)
    for j in 0..<count { m = isa_max(m, load(s + j &* 64) + splat(bias[j])) }
    var x = splat(0)
    var y = x
    var j = 0
    while j &+ 1 < count {
      let u = exp2(load(s + j &* 64) + splat(bias[j]) - m)
      let v = exp2(load(s + (j &+ 1) &* 64) + splat(bias[j &+ 1]) - m)
      x += u
      y += v
      store(e + j &* 64, u)
      store(e + (j &+ 1) &* 64, v)
      j &+= 2
    }
    if j < count {
      let u = exp2(load(s + j &* 64) + splat(bias[j]) - m)
      x += u
      store(e + j &* 64, u)
    }
    store(weights + c, load(weights + c) / ((x + y) * splat(total)))
    c &+= lanes
  }
  for j in 0..<count {
    let e = a.scratch + j &* 64
    var x = splat(0)
    c = 0
    while c < 64 {
      x = fma(x, load(e + c), load(weights + c))
      c &+= lanes
    }
    a.out[j] += isa_sum(x)
  }
}

/// sum += row.
func accumulate(_ sum: MutableFloats?, _ row: Floats?, _ count: Int64) {
  guard let sum, let row else { return }
  var i = 0
  while i < Int(count) {
    store(sum + i, load(sum + i) + load(row + i))
    i &+= lanes
  }
}

/// Adds Σ (a − b)² and Σ b² of `count` numbers to result[0] and result[1].
func squaredError(_ a: Floats?, _ b: Floats?, _ count: Int64, _ result: UnsafeMutablePointer<Double>?) {
  guard let a, let b, let result else { return }
  var error = splat(0)
  var norm = splat(0)
  var i = 0
  while i &+ lanes <= Int(count) {
    let x = load(a + i)
    let y = load(b + i)
    error = fma(error, x - y, x - y)
    norm = fma(norm, y, y)
    i &+= lanes
  }
  var e = isa_sum(error)
  var n = isa_sum(norm)
  while i < Int(count) {
    e += (a[i] - b[i]) * (a[i] - b[i])
    n += b[i] * b[i]
    i &+= 1
  }
  result[0] += Double(e)
  result[1] += Double(n)
}
