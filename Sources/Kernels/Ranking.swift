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

/// Half the variance of a block's scores in base 2, as a natural logarithm, for each mean query; in two passes.
@inline(__always)
func halfVariance(_ s: MutableFloats, _ keys: Int) -> V {
  let mean = sum(s, keys) * splat(1 / Float(keys))
  var x = splat(0)
  var y = x
  var i = 0
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
  // ln²2 takes a variance of base-2 logits to natural ones.
  return (x + y) * splat(Float(0.5 * 0.4804530139182014) / Float(keys))
}

@inline(__always)
func sum(_ s: MutableFloats, _ count: Int) -> V {
  var x = splat(0)
  var y = x
  var i = 0
  while i &+ 1 < count {
    x += load(s + i &* 64)
    y += load(s + (i &+ 1) &* 64)
    i &+= 2
  }
  if i < count { x += load(s + i &* 64) }
  return x + y
}

/// What the mean key misses by the rank `loss`: the free energy of as many Gaussian scores whose variance is that of the
/// block's log-sum-exp under the mean query, and `about`, that of the queries about it.
@inline(__always)
func loss<P: Product>(_ product: P.Type, _ s: MutableFloats, _ keys: Int, _ logSize: Float, _ about: V) -> V {
  // Maximum and sum in one pass, two chains of each.
  var m = load(s)
  var n = m
  var total = splat(0)
  var other = total
  var i = 0
  while i &+ 1 < keys {
    let u = load(s + i &* 64)
    let v = load(s + (i &+ 1) &* 64)
    m = isa_max(m, u)
    n = isa_max(n, v)
    total += u
    other += v
    i &+= 2
  }
  if i < keys {
    let u = load(s + i &* 64)
    m = isa_max(m, u)
    total += u
  }
  m = isa_max(m, n)
  var x = splat(0)
  var y = x
  i = 0
  while i &+ 1 < keys {
    let u = load(s + i &* 64) - m
    let v = load(s + (i &+ 1) &* 64) - m
    x += P.pack == 1 ? exp2(u) : exp2Short(u)
    y += P.pack == 1 ? exp2(v) : exp2Short(v)
    i &+= 2
  }
  if i < keys {
    let u = load(s + i &* 64) - m
    x += P.pack == 1 ? exp2(u) : exp2Short(u)
  }
  let ln2 = Float(0.6931471805599453)
  let passed = log2(x + y) + (m - (total + other) * splat(1 / Float(keys))) - splat(logSize)
  let under = isa_max(passed, splat(0)) * splat(ln2)
  let bound = splat(logSize * ln2)
  let large = (under + bound) * (under + bound) / (bound + bound)
  let variance = large.replacing(with: under + under, where: under .<= bound) + about
  let linear = ((bound + bound) * variance).squareRoot() - bound
  let excess = linear.replacing(with: variance * splat(0.5), where: variance .<= bound + bound)
  // Sums of squares of huge numbers overflow; a block that cannot be judged is as good as lost.
  return bound.replacing(with: excess, where: excess .<= splat(.greatestFiniteMagnitude))
}

@inline(__always)
func excess<P: Product>(_ product: P.Type, _ a: isa_excess) {
  let columns = Int(a.columns)
  let stride = Int(a.out_stride)
  let first = Int(a.first)
  let isLoss = Int(a.kind) == ISA_LOSS
  if isLoss {
    let width = Int(a.spread_width)
    multiply(
      Float32Product.self, panel: a.query_spread, panelStride: 64, columns: columns,
      rows: a.key_spread + first &* width, rowStride: width, step: 1, count: (Int(a.count) &+ 3) & ~3, steps: width,
      out: a.about, outStride: 64, adding: false)
  }
  for b in 0..<16 {
    let tile = a.tile + b &* 64
    let keys = b < Int(a.count) ? Int(a.sizes[first &+ b]) : 0
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
      rows: a.packed.keys + (first &+ b) &* Int(a.packed.key_block), rowStride: Int(a.packed.key_stride),
      step: 1, count: (keys &+ 3) & ~3, steps: Int(a.packed.steps), out: a.s, outStride: 64, adding: false)
    var c = 0
    while c < columns {
      let x =
        isLoss
        ? loss(product, a.s + c, keys, a.log_sizes[first &+ b], load(a.about + b &* 64 + c))
        : halfVariance(a.s + c, keys)
      store(tile + c, x)
      c &+= lanes
    }
  }
  var b = 0
  while b < 16 {
    var c = 0
    while c < columns {
      transpose(UnsafePointer(a.tile + b &* 64 + c), 64, a.out + c &* stride + first + b, stride, a.s)
      c &+= lanes
    }
    b &+= lanes
  }
}

/// The excess of 16 key blocks for the mean queries of a panel.
func excess(_ pointer: UnsafePointer<isa_excess>) {
  #if ISA_AVX512
    if pointer.pointee.packed.bf16 != 0 {
      excess(BrainProduct.self, pointer.pointee)
      return
    }
  #endif
  excess(Float32Product.self, pointer.pointee)
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
func massLost(_ pointer: UnsafePointer<isa_lost>) -> Float {
  let a = pointer.pointee
  let padded = Int(a.padded)
  let log2e = splat(1.4426950408889634)
  var most = splat(0)
  var j = 0
  while j < padded {
    let bits = load(a.excess + j) * log2e
    most = isa_max(most, bits)
    store(a.scratch + j, load(a.log_sizes + j) + bits)
    store(a.factors + j, exp2(splat(0) - bits))
    store(a.out + j, splat(0))
    j &+= lanes
  }
  let total = Float(a.queries.0 &+ (a.panels > 1 ? a.queries.1 : 0))
  massLostByPanel(a, a.scores.0!, a.exponentials.0!, a.references.0!, Int(a.queries.0), total)
  if a.panels > 1 {
    massLostByPanel(a, a.scores.1!, a.exponentials.1!, a.references.1!, Int(a.queries.1), total)
  }
  j = 0
  while j < padded {
    store(a.out + j, load(a.out + j) * lost(load(a.excess + j)))
    j &+= lanes
  }
  return isa_largest(most)
}

@inline(__always)
func massLostByPanel(
  _ a: isa_lost, _ scores: Floats, _ exponentials: MutableFloats, _ references: MutableFloats, _ queries: Int,
  _ total: Float
) {
  let count = Int(a.count)
  let bias = a.scratch!
  // Queries past the last weigh nothing.
  let weights = bias + Int(a.padded)
  for q in 0..<64 { weights[q] = q < queries ? 1 : 0 }
  var c = 0
  while c < 64 {
    let s = scores + c
    let e = exponentials + c
    var m = splat(-.infinity)
    for j in 0..<count { m = isa_max(m, load(s + j &* 64) + splat(bias[j])) }
    store(references + c, m)
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
    let e = exponentials + j &* 64
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
