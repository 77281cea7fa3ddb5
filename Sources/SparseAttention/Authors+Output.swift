#if canImport(Glibc)
  import Glibc
#endif

extension Authors {
  /// [tokens][value size], row-major, for a choice made here or elsewhere.
  ///
  /// - Throws: where the choice names blocks that there are not.
  public func output(_ choice: Choice) throws(AttentionError) -> [Double] {
    let lastListed = (shortenedTokens + Authors.block - 1) / Authors.block
    guard choice.kept.count == keptBlocks, choice.kept.allSatisfy({ (0..<contextBlocks).contains($0) }),
      choice.full.count == blocks, choice.listed.count == blocks,
      choice.listed.allSatisfy({ $0.allSatisfy { (0..<lastListed).contains($0) } })
    else {
      throw .unsupported("The choice does not fit \(blocks) blocks, \(keptBlocks) of them kept context.")
    }
    let keys = shortened(keys, headSize, choice.kept)
    let values = shortened(values, valueSize, choice.kept)
    let keySums = Authors.sums(keys, headSize)
    let valueSums = Authors.sums(values, valueSize)
    let length = shortenedTokens
    let scale = 1 / Double(headSize).squareRoot()
    let size = Double(Authors.block)
    var out = Array(repeating: 0.0, count: tokens * valueSize)
    for b in 0..<blocks {
      // Every row of a block sees the same keys: exact ones, then one term for each of the other blocks.
      let listed = Set(choice.listed[b])
      let exact =
        choice.full[b]
        ? [0..<length] : listed.sorted().map { $0 * 64..<min(length, ($0 + 1) * 64) }
      let terms = choice.full[b] ? [] : keySums.indices.filter { !listed.contains($0) }
      for row in rows(b) {
        queries.withUnsafeBufferPointer { queries in
          let query = UnsafeBufferPointer(rebasing: queries[row * headSize..<(row + 1) * headSize])
          var logits: [Double] = []
          keys.withUnsafeBufferPointer { keys in
            for run in exact {
              for key in run {
                let key = UnsafeBufferPointer(rebasing: keys[key * headSize..<(key + 1) * headSize])
                logits.append(Authors.dot(query, key) * scale)
              }
            }
          }
          for j in terms {
            logits.append(keySums[j].withUnsafeBufferPointer { Authors.dot(query, $0) } * scale / size)
          }
          weigh(logits, exact, terms, values, valueSums, &out, row)
        }
      }
    }
    return out
  }

  /// Sums the values by the logits' exponentials; a term's value is a sum of 64 rows and counts 64 times below.
  private func weigh(
    _ logits: [Double], _ exact: [Range<Int>], _ terms: [Int], _ values: [Double], _ valueSums: [[Double]],
    _ out: inout [Double], _ row: Int
  ) {
    let top = logits.max() ?? 0
    var weights = logits.map { exp($0 - top) }
    var total = 0.0
    let count = logits.count - terms.count
    for i in weights.indices { total += i < count ? weights[i] : Double(Authors.block) * weights[i] }
    for i in weights.indices { weights[i] /= total }
    out.withUnsafeMutableBufferPointer { out in
      let to = UnsafeMutableBufferPointer(rebasing: out[row * valueSize..<(row + 1) * valueSize])
      values.withUnsafeBufferPointer { values in
        var i = 0
        for run in exact {
          for key in run {
            Authors.add(
              weights[i], UnsafeBufferPointer(rebasing: values[key * valueSize..<(key + 1) * valueSize]), to)
            i += 1
          }
        }
      }
      for (i, j) in terms.enumerated() {
        valueSums[j].withUnsafeBufferPointer { Authors.add(weights[count + i], $0, to) }
      }
    }
  }

  private static func dot(_ a: UnsafeBufferPointer<Double>, _ b: UnsafeBufferPointer<Double>) -> Double {
    var sums = SIMD8<Double>.zero
    var i = 0
    let (x, y) = (UnsafeRawPointer(a.baseAddress), UnsafeRawPointer(b.baseAddress))
    if let x, let y {
      while i + 8 <= a.count {
        sums +=
          x.loadUnaligned(fromByteOffset: i * 8, as: SIMD8<Double>.self)
          * y.loadUnaligned(fromByteOffset: i * 8, as: SIMD8<Double>.self)
        i += 8
      }
    }
    var sum = sums.sum()
    while i < a.count {
      sum += a[i] * b[i]
      i += 1
    }
    return sum
  }

  private static func add(
    _ weight: Double, _ row: UnsafeBufferPointer<Double>, _ to: UnsafeMutableBufferPointer<Double>
  ) {
    for c in row.indices { to[c] += weight * row[c] }
  }
}
