import CKernels

/// Gathers rows as float32: pointers to them, padded with zeros to `width`. Rows that are float32 already and fill the
/// width stay where they are.
@inline(__always)
func gather(_ a: isa_pack, _ pointers: UnsafeMutablePointer<Floats>) {
  let count = Int(a.rows.count), width = Int(a.width), size = Int(a.rows.size), stride = Int(a.rows.stride)
  for i in 0..<count {
    let token = a.rows.tokens == nil ? i : Int(a.rows.tokens[i])
    if a.rows.element == 1 {
      let row = a.rows.base.assumingMemoryBound(to: Float.self) + token &* stride
      if size == width {
        pointers[i] = row
        continue
      }
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
    } else {
      let row = a.rows.base.assumingMemoryBound(to: UInt16.self) + token &* stride
      let to = a.scratch + i &* width
      let half = a.rows.element == 10
      var c = 0
      while c &+ lanes <= size {
        store(to + c, half ? isa_load_half(row + c) : isa_load_brain(row + c))
        c &+= lanes
      }
      while c < size {
        to[c] = half ? isa_from_half(row[c]) : isa_from_brain(row[c])
        c &+= 1
      }
      while c < width {
        to[c] = 0
        c &+= 1
      }
      pointers[i] = UnsafePointer(to)
    }
  }
}

@inline(__always) func pointers(_ a: isa_pack) -> UnsafeMutablePointer<Floats> {
  UnsafeMutableRawPointer(a.scratch + 64 &* Int(a.width)).assumingMemoryBound(to: Floats.self)
}
@inline(__always) func spare(_ a: isa_pack) -> MutableFloats { a.scratch + 64 &* Int(a.width) + 128 }

/// Mean of the gathered rows.
@inline(__always)
func average(_ rows: UnsafeMutablePointer<Floats>, _ count: Int, _ width: Int, _ to: MutableFloats) {
  let share = splat(count == 0 ? 0 : 1 / Float(count))
  var c = 0
  while c < width {
    var x = splat(0), y = x
    var i = 0
    while i &+ 1 < count {
      x += load(rows[i] + c)
      y += load(rows[i &+ 1] + c)
      i &+= 2
    }
    if i < count { x += load(rows[i] + c) }
    store(to + c, (x + y) * share)
    c &+= lanes
  }
}

/// Keys, row-major words; the last row repeats up to a multiple of 4, so that a ragged block needs no masks.
func packKeys(_ pointer: UnsafePointer<isa_pack>) {
  let a = pointer.pointee
  let count = Int(a.rows.count), width = Int(a.width), rows = pointers(a)
  gather(a, rows)
  if let mean = a.mean { average(rows, count, width, mean) }
  if count == 0 { return }
  let padded = (count &+ 3) & ~3
  for i in 0..<padded {
    let row = rows[i < count ? i : count &- 1]
    var c = 0
    #if ISA_AVX512
      if a.bf16 != 0 {
        let to = a.packed + i &* (width / 2)
        while c < width {
          store(to + c / 2, unsafeBitCast(isa_brain_pairs(load(row + c), load(row + c + 16)), to: V.self))
          c &+= 32
        }
        continue
      }
    #endif
    let to = a.packed + i &* width
    while c < width {
      store(to + c, load(row + c))
      c &+= lanes
    }
  }
}

/// Values in panels of 64 columns (the last may be narrower), [capacity/pack][columns] words each. Where words are pairs
/// of keys, an odd last key is paired with zeros.
func packValues(_ pointer: UnsafePointer<isa_pack>) {
  let a = pointer.pointee
  let count = Int(a.rows.count), width = Int(a.width), rows = pointers(a)
  gather(a, rows)
  if let mean = a.mean { average(rows, count, width, mean) }
  var h = 0
  while h < width {
    let columns = width &- h < 64 ? width &- h : 64
    #if ISA_AVX512
      if a.bf16 != 0 {
        let to = a.packed + h &* (Int(a.capacity) / 2), index = zipIndex()
        var i = 0
        while i < count {
          var c = 0
          while c < columns {
            let high = i &+ 1 < count ? load(rows[i &+ 1] + h + c) : splat(0)
            store(to + (i / 2) &* columns + c, brainZip(load(rows[i] + h + c), high, index))
            c &+= 16
          }
          i &+= 2
        }
        h &+= 64
        continue
      }
    #endif
    let to = a.packed + h &* Int(a.capacity)
    for i in 0..<count {
      var c = 0
      while c < columns {
        store(to + i &* columns + c, load(rows[i] + h + c))
        c &+= lanes
      }
    }
    h &+= 64
  }
}

/// A panel of queries: transposed to [words][64], times `scale`; rows past the last are zero.
func packQueries(_ pointer: UnsafePointer<isa_pack>) {
  let a = pointer.pointee
  let count = Int(a.rows.count), width = Int(a.width), rows = pointers(a), scratch = spare(a)
  gather(a, rows)
  let scale = splat(a.scale), square = scratch + 2 &* lanes &* lanes
  let words = a.bf16 != 0 ? width / 2 : width
  var g = 0
  while g < 64 {
    var w = 0
    while w < words {
      for i in 0..<lanes {
        let to = square + i &* lanes
        if g &+ i >= count {
          store(to, splat(0))
          continue
        }
        let row = rows[g &+ i]
        #if ISA_AVX512
          if a.bf16 != 0 {
            let low = load(row + 2 &* w) * scale, high = load(row + 2 &* w + 16) * scale
            store(to, unsafeBitCast(isa_brain_pairs(low, high), to: V.self))
            continue
          }
        #endif
        store(to, load(row + w) * scale)
      }
      transpose(UnsafePointer(square), lanes, a.packed + w &* 64 + g, 64, scratch)
      w &+= lanes
    }
    g &+= lanes
  }
}

/// The mean alone.
func meanRows(_ pointer: UnsafePointer<isa_pack>) {
  let a = pointer.pointee
  gather(a, pointers(a))
  average(pointers(a), Int(a.rows.count), Int(a.width), a.mean)
}
