import CKernels

/// Scores of base 2 with their bias. It is added to the scores as they are, in float32, as graphs do: a large bias rounds
/// them, and they have to be rounded alike. What is common to a row is taken off before they go back to base 2.
@inline(__always) func biased(_ score: V, _ bias: V, added: V, _ a: isa_bias, shift: V) -> V {
  let unbiased = score * splat(a.unit)
  var sum = a.bias_first == 0 ? (unbiased + added) + bias : (unbiased + bias) + added
  sum.replace(with: bias, where: bias .<= splat(a.replaces))
  return (sum * splat(a.factor) - shift) * splat(1.4426950408889634)
}

/// What a masked key's scores get.
@inline(__always) func added(_ a: isa_bias, _ key: Int32) -> Float {
  a.mask != nil && a.mask[Int(key)] == 0 ? a.added : 0
}

/// Up to this size no digit of a score is lost that float32 sums keep.
@inline(__always) var smallBias: Float { 32 }

/// What is taken off the biased scores of each row: its largest bias where that is so far from zero that scores lose
/// digits beside it, else nothing.
func findShifts(_ a: isa_attend) {
  let bias = a.bias
  let isCommon = bias.base == nil || bias.query_stride == 0
  for r in 0..<64 {
    if r > 0 && (isCommon || r >= Int(bias.count)) {
      bias.shift[r] = bias.shift[0]
      continue
    }
    let most = largestBias(a, Int(bias.queries[r]) &* Int(bias.query_stride))
    bias.shift[r] = most.magnitude <= smallBias || most == -.infinity ? 0 : most * bias.factor
  }
}

@inline(__always) func largestBias(_ a: isa_attend, _ row: Int) -> Float {
  var most = -Float.infinity
  for i in 0..<Int(a.count) {
    let block = Int(a.list[i])
    let keys = a.bias.keys + block &* Int(a.bias.block_k)
    let count = Int(a.sizes[block])
    var j = 0
    // Masked keys have more than their bias.
    if a.bias.base != nil && a.bias.mask == nil && a.bias.key_stride == 1 && areConsecutive(keys, count) {
      var vector = splat(-.infinity)
      while j &+ lanes <= count {
        vector = isa_max(vector, biasElements(a.bias, row &+ Int(keys[j])))
        j &+= lanes
      }
      most = max(most, isa_largest(vector))
    }
    while j < count {
      let x = biasElement(a.bias, row &+ Int(keys[j]) &* Int(a.bias.key_stride)) + added(a.bias, keys[j])
      if x > most { most = x }
      j &+= 1
    }
  }
  return most
}

/// A vector of a row's bias.
@inline(__always) func biasElements(_ a: isa_bias, _ offset: Int) -> V {
  switch a.element {
  case 1: load(a.base.assumingMemoryBound(to: Float.self) + offset)
  case 10: isa_load_half(a.base.assumingMemoryBound(to: UInt16.self) + offset)
  default: isa_load_brain(a.base.assumingMemoryBound(to: UInt16.self) + offset)
  }
}

@inline(__always) func biasElement(_ a: isa_bias, _ offset: Int) -> Float {
  if a.base == nil { return 0 }
  if a.element == 1 { return a.base.assumingMemoryBound(to: Float.self)[offset] }
  let bits = a.base.assumingMemoryBound(to: UInt16.self)[offset]
  return a.element == 10 ? isa_from_half(bits) : isa_from_brain(bits)
}

/// Whether tokens follow each other.
@inline(__always) func areConsecutive(_ tokens: UnsafePointer<Int32>, _ count: Int) -> Bool {
  for i in 0..<count where Int(tokens[i]) &- Int(tokens[0]) != i { return false }
  return true
}

/// The bias as float32 rows of 64 keys, one a query of the panel; zero past the last of either.
@inline(__always)
func gatherBias(_ a: isa_bias, _ keys: UnsafePointer<Int32>, _ count: Int, _ run: Bool, _ rows: MutableFloats) {
  let queryStride = Int(a.query_stride)
  let keyStride = Int(a.key_stride)
  let padded = (count &+ lanes &- 1) & ~(lanes &- 1)
  for r in 0..<64 {
    let row = rows + r &* 64
    var j = 0
    if r < Int(a.count) {
      let base = Int(a.queries[r]) &* queryStride
      if run {
        let start = base &+ Int(keys[0])
        while j &+ lanes <= count {
          store(row + j, biasElements(a, start &+ j))
          j &+= lanes
        }
      }
      while j < count {
        row[j] = biasElement(a, base &+ Int(keys[j]) &* keyStride)
        j &+= 1
      }
    }
    while j < padded {
      row[j] = 0
      j &+= 1
    }
  }
}

/// Adds the bias of these keys to Sᵀ[keys][64] and takes the maxima anew.
func addBias(_ a: isa_bias, _ panel: isa_panel, _ keys: UnsafePointer<Int32>, _ count: Int) {
  let s: MutableFloats = panel.s
  if a.query_stride == 0 || a.base == nil {
    let row: MutableFloats = a.scratch
    for j in 0..<count { row[j] = biasElement(a, Int(keys[j]) &* Int(a.key_stride)) }
    var c = 0
    while c < 64 {
      var m = splat(-.infinity)
      for j in 0..<count {
        let x = biased(
          load(s + j &* 64 + c), splat(row[j]), added: splat(added(a, keys[j])), a, shift: load(a.shift + c))
        store(s + j &* 64 + c, x)
        m = isa_max(m, x)
      }
      store(panel.x + c, m)
      c &+= lanes
    }
    return
  }
  let rows: MutableFloats = a.scratch
  let square = rows + 64 &* 64
  let run = a.key_stride == 1 && areConsecutive(keys, count)
  // Where the bias lies as it is wanted, it is transposed from its own memory.
  let direct =
    run && a.element == 1 && a.count == 64 && count % lanes == 0 && areConsecutive(a.queries, 64)
  var source = UnsafePointer(rows)
  var stride = 64
  if direct {
    stride = Int(a.query_stride)
    source = a.base.assumingMemoryBound(to: Float.self) + (Int(a.queries[0]) &* stride &+ Int(keys[0]))
  } else {
    gatherBias(a, keys, count, run, rows)
  }
  var c = 0
  while c < 64 {
    let shift = load(a.shift + c)
    var m = splat(-.infinity)
    var j = 0
    while j < count {
      transpose(source + c &* stride + j, stride, square, lanes, square + lanes &* lanes)
      let many = count &- j < lanes ? count &- j : lanes
      for i in 0..<many {
        let to = s + (j &+ i) &* 64 + c
        let x = biased(
          load(to), load(square + i &* lanes), added: splat(added(a, keys[j &+ i])), a, shift: shift)
        store(to, x)
        m = isa_max(m, x)
      }
      j &+= lanes
    }
    store(panel.x + c, m)
    c &+= lanes
  }
}
