import CKernels

/// How 16 bits become a float32.
protocol Half {
  static func load(_ p: UnsafePointer<UInt16>) -> V
  static func number(_ bits: UInt16) -> Float
}
enum IEEEHalf: Half {
  @inline(__always) static func load(_ p: UnsafePointer<UInt16>) -> V { isa_load_half(p) }
  @inline(__always) static func number(_ bits: UInt16) -> Float { isa_from_half(bits) }
}
enum BrainHalf: Half {
  @inline(__always) static func load(_ p: UnsafePointer<UInt16>) -> V { isa_load_brain(p) }
  @inline(__always) static func number(_ bits: UInt16) -> Float { isa_from_brain(bits) }
}

/// Where a row begins, in elements.
@inline(__always) func offset(_ rows: isa_rows, _ i: Int) -> Int {
  (rows.tokens == nil ? i : Int(rows.tokens[i])) &* Int(rows.stride)
}

/// Gathers rows as float32: pointers to them, padded with zeros to `width`. Rows that are float32 already and fill the
/// width stay where they are.
@inline(__always)
func gather(_ a: isa_pack, _ pointers: UnsafeMutablePointer<Floats>) {
  if a.rows.element == 10 {
    gather(IEEEHalf.self, a, pointers)
    return
  }
  if a.rows.element == 16 {
    gather(BrainHalf.self, a, pointers)
    return
  }
  let base = a.rows.base.assumingMemoryBound(to: Float.self)
  let count = Int(a.rows.count)
  let width = Int(a.width)
  let size = Int(a.rows.size)
  if size == width {
    for i in 0..<count { pointers[i] = base + offset(a.rows, i) }
    return
  }
  for i in 0..<count {
    let row = base + offset(a.rows, i)
    let to = a.scratch + i &* width
    var c = 0
    while c &+ lanes <= size {
      store(to + c, load(row + c))
      c &+= lanes
    }
    while c < size {
      to[c] = row[c]
      c &+= 1
    }
    while c < width {
      to[c] = 0
      c &+= 1
    }
    pointers[i] = UnsafePointer(to)
  }
}

@inline(__always)
func gather<H: Half>(_ half: H.Type, _ a: isa_pack, _ pointers: UnsafeMutablePointer<Floats>) {
  let base = a.rows.base.assumingMemoryBound(to: UInt16.self)
  let count = Int(a.rows.count)
  let width = Int(a.width)
  let size = Int(a.rows.size)
  for i in 0..<count {
    let row = base + offset(a.rows, i)
    let to = a.scratch + i &* width
    if i &+ ahead < count {
      let soon = UnsafeRawPointer(base + offset(a.rows, i &+ ahead))
      var b = 0
      while b < 2 &* size {
        isa_prefetch(soon + b)
        b &+= 64
      }
    }
    var c = 0
    while c &+ 4 &* lanes <= size {
      let x = H.load(row + c)
      let y = H.load(row + c + lanes)
      let z = H.load(row + c + 2 &* lanes)
      let w = H.load(row + c + 3 &* lanes)
      store(to + c, x)
      store(to + c + lanes, y)
      store(to + c + 2 &* lanes, z)
      store(to + c + 3 &* lanes, w)
      c &+= 4 &* lanes
    }
    while c &+ lanes <= size {
      store(to + c, H.load(row + c))
      c &+= lanes
    }
    while c < size {
      to[c] = H.number(row[c])
      c &+= 1
    }
    while c < width {
      to[c] = 0
      c &+= 1
    }
    pointers[i] = UnsafePointer(to)
  }
}

/// Asks for a row that is packed soon: neighbours in a tile stand far apart in memory, where no hardware looks ahead.
@inline(__always) func prefetchRow(_ rows: UnsafeMutablePointer<Floats>, _ i: Int, _ count: Int, _ width: Int) {
  if i >= count { return }
  prefetch(rows[i], width)
}
/// Rows to look ahead.
@inline(__always) var ahead: Int { 16 }

@inline(__always) func pointers(_ a: isa_pack) -> UnsafeMutablePointer<Floats> {
  UnsafeMutableRawPointer(a.scratch + 64 &* Int(a.width)).assumingMemoryBound(to: Floats.self)
}
@inline(__always) func spare(_ a: isa_pack) -> MutableFloats { a.scratch + 64 &* Int(a.width) + 128 }

/// Starts and ends a mean that is summed while rows are packed: rows that stand far apart would not stay in the cache
/// for a second pass.
@inline(__always) func clear(_ mean: MutableFloats, _ width: Int) {
  var c = 0
  while c < width {
    store(mean + c, splat(0))
    c &+= lanes
  }
}
@inline(__always) func divide(_ mean: MutableFloats, _ width: Int, by count: Int) {
  let share = splat(count == 0 ? 0 : 1 / Float(count))
  var c = 0
  while c < width {
    store(mean + c, load(mean + c) * share)
    c &+= lanes
  }
}

/// Adds two rows' squares about `origin`, a row of the same block: its columns are as far from their mean as it is, so
/// that little cancels in the end. The second row counts by `keep`.
@inline(__always) func addSquares(_ sum: MutableFloats, _ x: V, _ z: V, _ origin: V, keep: V) {
  let d = x - origin
  let e = (z - origin) * keep
  store(sum, fma(fma(load(sum), d, d), e, e))
}

/// From sums of squares about `origin` to variances.
@inline(__always)
func finishVariance(_ sum: MutableFloats, _ mean: MutableFloats, _ origin: Floats, _ width: Int, _ count: Int) {
  let share = splat(1 / Float(count))
  var c = 0
  while c < width {
    let d = load(mean + c) - load(origin + c)
    store(sum + c, isa_max(splat(0), load(sum + c) * share - d * d))
    c &+= lanes
  }
}

/// Keys, row-major words; the last row repeats up to a multiple of 4, so that a ragged block needs no masks.
func packKeys(_ pointer: UnsafePointer<isa_pack>) {
  let a = pointer.pointee
  let count = Int(a.rows.count)
  let width = Int(a.width)
  let rows = pointers(a)
  gather(a, rows)
  if let mean = a.mean { clear(mean, width) }
  if let variance = a.variance { clear(variance, width) }
  if count == 0 { return }
  let origin = rows[0]
  var i = 0
  while i < count {
    let two = i &+ 1 < count
    let row = rows[i]
    let other = rows[two ? i &+ 1 : i]
    prefetchRow(rows, i &+ ahead, count, width)
    prefetchRow(rows, i &+ ahead &+ 1, count, width)
    let keep = splat(two ? 1 : 0)
    var c = 0
    #if ISA_AVX512
      if a.bf16 != 0 {
        let to = a.packed + i &* (width / 2)
        while c < width {
          let x = load(row + c)
          let y = load(row + c + 16)
          let z = load(other + c)
          let w = load(other + c + 16)
          store(to + c / 2, unsafeBitCast(isa_brain_pairs(x, y), to: V.self))
          store(to + (c &+ width) / 2, unsafeBitCast(isa_brain_pairs(z, w), to: V.self))
          if let mean = a.mean {
            store(mean + c, load(mean + c) + fma(x, z, keep))
            store(mean + c + 16, load(mean + c + 16) + fma(y, w, keep))
          }
          if let variance = a.variance {
            let o = load(origin + c)
            let p = load(origin + c + 16)
            addSquares(variance + c, x, z, o, keep: keep)
            addSquares(variance + c + 16, y, w, p, keep: keep)
          }
          c &+= 32
        }
        i &+= 2
        continue
      }
    #endif
    let to = a.packed + i &* width
    while c < width {
      let x = load(row + c)
      let z = load(other + c)
      store(to + c, x)
      store(to + width + c, z)
      if let mean = a.mean { store(mean + c, load(mean + c) + fma(x, z, keep)) }
      if let variance = a.variance {
        addSquares(variance + c, x, z, load(origin + c), keep: keep)
      }
      c &+= lanes
    }
    i &+= 2
  }
  // Pairs are written whole; what is left up to a multiple of 4 repeats the last row.
  let words = a.bf16 != 0 ? width / 2 : width
  let last = a.packed + (count &- 1) &* words
  i = count
  while i & 3 != 0 {
    var c = 0
    while c < words {
      store(a.packed + i &* words + c, load(last + c))
      c &+= lanes
    }
    i &+= 1
  }
  if let mean = a.mean {
    divide(mean, width, by: count)
    if let variance = a.variance { finishVariance(variance, mean, origin, width, count) }
  }
}

/// Values in panels of 64 columns (the last may be narrower), [capacity/pack][columns] words each. Where words are pairs
/// of keys, an odd last key is paired with zeros.
func packValues(_ pointer: UnsafePointer<isa_pack>) {
  let a = pointer.pointee
  let count = Int(a.rows.count)
  let width = Int(a.width)
  let capacity = Int(a.capacity)
  let rows = pointers(a)
  gather(a, rows)
  if let mean = a.mean { clear(mean, width) }
  #if ISA_AVX512
    let index = zipIndex()
  #endif
  var i = 0
  while i < count {
    let two = i &+ 1 < count
    let row = rows[i]
    let other = rows[two ? i &+ 1 : i]
    prefetchRow(rows, i &+ ahead, count, width)
    prefetchRow(rows, i &+ ahead &+ 1, count, width)
    let keep = splat(two ? 1 : 0)
    var h = 0
    while h < width {
      let columns = width &- h < 64 ? width &- h : 64
      var c = 0
      while c < columns {
        let x = load(row + h + c)
        let y = load(other + h + c) * keep
        if let mean = a.mean { store(mean + h + c, load(mean + h + c) + (x + y)) }
        #if ISA_AVX512
          if a.bf16 != 0 {
            store(a.packed + h &* (capacity / 2) + (i / 2) &* columns + c, brainZip(x, y, index))
            c &+= lanes
            continue
          }
        #endif
        let to = a.packed + h &* capacity + i &* columns + c
        store(to, x)
        if two { store(to + columns, y) }
        c &+= lanes
      }
      h &+= 64
    }
    i &+= 2
  }
  if let mean = a.mean { divide(mean, width, by: count) }
}

/// A panel of queries: transposed to [words][64], times `scale`; rows past the last are zero.
func packQueries(_ pointer: UnsafePointer<isa_pack>) {
  let a = pointer.pointee
  let count = Int(a.rows.count)
  let width = Int(a.width)
  let rows = pointers(a)
  let scratch = spare(a)
  gather(a, rows)
  let scale = splat(a.scale)
  let words = a.bf16 != 0 ? width / 2 : width
  // Row by row first, as memory likes it; then squares of words.
  let strip = scratch + 2 &* lanes &* lanes
  var g = 0
  while g < 64 {
    for i in 0..<lanes {
      let to = strip + i &* words
      if g &+ i >= count {
        var w = 0
        while w < words {
          store(to + w, splat(0))
          w &+= lanes
        }
        continue
      }
      let row = rows[g &+ i]
      prefetchRow(rows, g &+ i &+ ahead, count, width)
      var c = 0
      #if ISA_AVX512
        if a.bf16 != 0 {
          while c < width {
            let low = load(row + c)
            let high = load(row + c + 16)
            store(to + c / 2, unsafeBitCast(isa_brain_pairs(low * scale, high * scale), to: V.self))
            c &+= 32
          }
          continue
        }
      #endif
      while c < width {
        let x = load(row + c)
        store(to + c, x * scale)
        c &+= lanes
      }
    }
    var w = 0
    while w < words {
      transpose(UnsafePointer(strip + w), words, a.packed + w &* 64 + g, 64, scratch)
      w &+= lanes
    }
    g &+= lanes
  }
}

/// The mean, and the variance where it is asked for.
func meanRows(_ pointer: UnsafePointer<isa_pack>) {
  let a = pointer.pointee
  let count = Int(a.rows.count)
  let width = Int(a.width)
  let rows = pointers(a)
  gather(a, rows)
  guard let mean = a.mean else { return }
  clear(mean, width)
  if let variance = a.variance { clear(variance, width) }
  if count == 0 { return }
  let origin = rows[0]
  var i = 0
  while i &+ 3 < count {
    let x = rows[i]
    let y = rows[i &+ 1]
    let z = rows[i &+ 2]
    let w = rows[i &+ 3]
    for r in 0..<4 { prefetchRow(rows, i &+ ahead &+ r, count, width) }
    var c = 0
    while c < width {
      store(mean + c, load(mean + c) + ((load(x + c) + load(y + c)) + (load(z + c) + load(w + c))))
      if let variance = a.variance {
        let o = load(origin + c)
        let (d, e) = (load(x + c) - o, load(y + c) - o)
        let (f, g) = (load(z + c) - o, load(w + c) - o)
        store(variance + c, load(variance + c) + (fma(d * d, e, e) + fma(f * f, g, g)))
      }
      c &+= lanes
    }
    i &+= 4
  }
  while i < count {
    let x = rows[i]
    var c = 0
    while c < width {
      store(mean + c, load(mean + c) + load(x + c))
      if let variance = a.variance {
        addSquares(variance + c, load(x + c), load(x + c), load(origin + c), keep: splat(0))
      }
      c &+= lanes
    }
    i &+= 1
  }
  divide(mean, width, by: count)
  if let variance = a.variance { finishVariance(variance, mean, origin, width, count) }
}
