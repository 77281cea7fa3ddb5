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

/// Adds the bias of these keys to Sᵀ[keys][64] and takes the maxima anew.
func addBias(_ a: isa_bias, _ panel: isa_panel, _ keys: UnsafePointer<Int32>, _ count: Int) {
  let s: MutableFloats = panel.s
  let queryStride = Int(a.query_stride)
  let keyStride = Int(a.key_stride)
  if queryStride == 0 {
    for j in 0..<count {
      let b = biasBase2(splat(biasElement(a, Int(keys[j]) &* keyStride)))
      var c = 0
      while c < 64 {
        store(s + j &* 64 + c, load(s + j &* 64 + c) + b)
        c &+= lanes
      }
    }
  } else {
    let rows: MutableFloats = a.scratch
    let square = rows + 64 &* 64
    let padded = (count &+ lanes &- 1) & ~(lanes &- 1)
    var run = keyStride == 1
    for j in 0..<count where Int(keys[j]) &- Int(keys[0]) != j { run = false }
    for r in 0..<64 {
      let row = rows + r &* 64
      var j = 0
      if r >= Int(a.count) {
        while j < padded {
          store(row + j, splat(0))
          j &+= lanes
        }
        continue
      }
      let base = Int(a.queries[r]) &* queryStride
      if run {
        let start = base &+ Int(keys[0])
        while j &+ lanes <= count {
          let x: V
          switch a.element {
          case 1: x = load(a.base.assumingMemoryBound(to: Float.self) + start + j)
          case 10: x = isa_load_half(a.base.assumingMemoryBound(to: UInt16.self) + start + j)
          default: x = isa_load_brain(a.base.assumingMemoryBound(to: UInt16.self) + start + j)
          }
          store(row + j, x)
          j &+= lanes
        }
      }
      while j < count {
        row[j] = biasElement(a, base &+ Int(keys[j]) &* keyStride)
        j &+= 1
      }
      while j < padded {
        row[j] = 0
        j &+= 1
      }
    }
    var j = 0
    while j < count {
      var c = 0
      let many = count &- j < lanes ? count &- j : lanes
      while c < 64 {
        transpose(UnsafePointer(rows + c &* 64 + j), 64, square, lanes, square + lanes &* lanes)
        for i in 0..<many {
          let to = s + (j &+ i) &* 64 + c
          store(to, load(to) + biasBase2(load(square + i &* lanes)))
        }
        c &+= lanes
      }
      j &+= lanes
    }
  }
  var c = 0
  while c < 64 {
    var m = splat(-.infinity)
    for j in 0..<count { m = isa_max(m, load(s + j &* 64 + c)) }
    store(panel.x + c, m)
    c &+= lanes
  }
}
