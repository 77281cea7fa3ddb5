import CKernels

/// A finite bias stays finite when it goes to base 2, so that a row whose keys all carry the lowest number is not empty.
@inline(__always) func biasBase2(_ x: V) -> V {
  let lowest = splat(-Float.greatestFiniteMagnitude)
  let scaled = isa_max(lowest, x * splat(1.4426950408889634))
  return scaled.replacing(with: x, where: x .== splat(-.infinity))
}

@inline(__always) func biasElement(_ a: isa_bias, _ offset: Int) -> Float {
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
          switch a.element {
          case 1: store(row + j, load(a.base.assumingMemoryBound(to: Float.self) + start + j))
          case 10: store(row + j, isa_load_half(a.base.assumingMemoryBound(to: UInt16.self) + start + j))
          default: store(row + j, isa_load_brain(a.base.assumingMemoryBound(to: UInt16.self) + start + j))
          }
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
  if a.query_stride == 0 {
    let row: MutableFloats = a.scratch
    for j in 0..<count { row[j] = biasElement(a, Int(keys[j]) &* Int(a.key_stride)) }
    var c = 0
    while c < 64 {
      var m = splat(-.infinity)
      for j in 0..<count {
        let x = load(s + j &* 64 + c) + biasBase2(splat(row[j]))
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
    var m = splat(-.infinity)
    var j = 0
    while j < count {
      transpose(source + c &* stride + j, stride, square, lanes, square + lanes &* lanes)
      let many = count &- j < lanes ? count &- j : lanes
      for i in 0..<many {
        let to = s + (j &+ i) &* 64 + c
        let x = load(to) + biasBase2(load(square + i &* lanes))
        store(to, x)
        m = isa_max(m, x)
      }
      j &+= lanes
    }
    store(panel.x + c, m)
    c &+= lanes
  }
}
