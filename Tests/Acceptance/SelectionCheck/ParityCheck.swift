import Foundation
import OnnxRuntime
import SparseAttention
import VideoPipeline

/// The authors' mode against what their code gave.
enum ParityCheck {
  /// Two scores that differ by less of the larger may swap.
  static let tie = 1e-5

  /// One head's differences from the authors, with how many are compared and how many near-ties there are.
  struct HeadResult: Sendable {
    var kept = Counts()
    var routes = Counts()
    var listed = Counts()
    /// With the authors' choices forced: from float64 of another implementation, from the authors', sums of all rows.
    var float64 = Distance()
    var authors = Distance()
    var sums = 0.0
  }

  struct Counts: Sendable {
    var different = 0
    var of = 0
    var ties = 0

    static func + (a: Counts, b: Counts) -> Counts {
      Counts(different: a.different + b.different, of: a.of + b.of, ties: a.ties + b.ties)
    }

    func text(_ column: Int) -> String {
      let share = String(format: "%.2f", 100 * Double(different) / Double(max(1, of)))
      return "\(different) of \(of) = \(share) % (≤ \(column + ties))"
    }
  }

  /// - Returns: whether every case holds.
  static func run(_ folder: String) throws -> Bool {
    print("Differences from the authors' choices (bound: float64 column + near-ties), outputs with theirs forced:")
    print("case | kept blocks | routes | listed blocks | output, float64 (≤ 1e-6) | output, authors' | all rows")
    var good = true
    for item in ParityCase.all {
      let file = try npz("\(folder)/\(item.name).npz")
      let heads = try parallelMap(item.heads) { try head(item, file, $0) }
      let kept = heads.reduce(Counts()) { $0 + $1.kept }
      let routes = heads.reduce(Counts()) { $0 + $1.routes }
      let listed = heads.reduce(Counts()) { $0 + $1.listed }
      let float64 = heads.reduce(Distance()) { $0 + $1.float64 }.relative
      let authors = heads.reduce(Distance()) { $0 + $1.authors }.relative
      let sums = heads.map(\.sums).max() ?? 0
      // Every sixteenth row is stored: its error may be a little off that of all.
      let most = item.output * 1.15
      var fine = float64 <= 1e-6 && authors <= most && sums <= 1e-9
      // On white noise the authors' choice of blocks and routes is a lottery of ties.
      if item.smooth {
        fine = fine && kept.different <= item.kept + kept.ties && routes.different <= item.routes + routes.ties
      }
      fine = fine && listed.different <= item.listed + listed.ties
      good = good && fine
      let cells = [
        item.name, item.smooth ? kept.text(item.kept) : "forced", item.smooth ? routes.text(item.routes) : "forced",
        listed.text(item.listed), String(format: "%.1e", float64), String(format: "%.2e (≤ %.2e)", authors, most),
        String(format: "%.1e", sums), fine ? "ok" : "FAILED",
      ]
      print(cells.joined(separator: " | "))
    }
    return good
  }

  private static func head(_ item: ParityCase, _ file: [String: Tensor], _ h: Int) throws -> HeadResult {
    let x = item.inputs(head: h)
    let authors = try Authors(
      queries: x.queries, keys: x.keys, values: x.values, headSize: item.headSize, target: item.target)
    let meta = try ints(file, "meta")
    let expected = [
      authors.tokens, item.target, item.context, item.heads, item.headSize, authors.blocks, authors.targetBlocks,
      authors.contextBlocks, authors.keptBlocks, authors.listedBlocks,
    ]
    guard meta == expected else { throw CheckError(message: "\(item.name): meta is \(meta), not \(expected).") }
    let theirs = try choice(file, authors, h)
    let ours = authors.choose()
    let scores = authors.scores()
    var result = HeadResult()
    result.kept = compare(Set(ours.kept), Set(theirs.kept), scores.saliency)
    let routes = compare(full(ours), full(theirs), scores.sharpness)
    // A route that differs is two blocks: one on either side.
    result.routes = Counts(different: 2 * routes.different, of: authors.blocks, ties: 2 * routes.ties)
    let listing = authors.listingScores(kept: theirs.kept)
    let listed = authors.listed(kept: theirs.kept, full: theirs.full)
    for i in 0..<authors.blocks where !theirs.full[i] {
      result.listed = result.listed + compare(Set(listed[i]), Set(theirs.listed[i]), listing[i])
    }
    let output = try authors.output(theirs)
    let forced = try floats(file, "forced_f32")
    let rows = try ints(file, "out_rows")
    for (r, t) in stride(from: 0, to: item.tokens, by: 16).enumerated() {
      for c in 0..<item.headSize {
        let ours = output[t * item.headSize + c]
        let i = (r * item.heads + h) * item.headSize + c
        result.float64.add(ours, forced[i])
        result.authors.add(ours, Double(Float(bitPattern: UInt32(rows[i]) << 16)))
      }
    }
    let sums = try floats(file, "sums")[h * 6 + 3..<h * 6 + 6]
    let own = [
      output.reduce(0, +), output.reduce(0) { $0 + abs($1) }, output.reduce(0) { $0 + $1 * $1 },
    ]
    // The first sum cancels: it is measured by the second, of absolute values.
    let scale = [own[1], own[1], own[2]]
    result.sums = zip(zip(own, sums), scale).map { abs($0.0 - $0.1) / $1 }.max() ?? 0
    return result
  }

  private static func full(_ choice: Authors.Choice) -> Set<Int> {
    Set(choice.full.indices.filter { choice.full[$0] })
  }

  /// Blocks of theirs that ours lacks. A near-tie is a last chosen block that the next one nearly equals.
  private static func compare(_ ours: Set<Int>, _ theirs: Set<Int>, _ scores: [Double]) -> Counts {
    let sorted = scores.sorted(by: >)
    let k = theirs.count
    let tied = k > 0 && k < sorted.count && sorted[k - 1] - sorted[k] <= tie * abs(sorted[k - 1])
    return Counts(different: theirs.subtracting(ours).count, of: k, ties: tied ? 1 : 0)
  }

  private static func choice(_ file: [String: Tensor], _ authors: Authors, _ h: Int) throws -> Authors.Choice {
    let (n, kept, listed) = (authors.blocks, authors.keptBlocks, authors.listedBlocks)
    let keep = try ints(file, "keep")[h * kept..<(h + 1) * kept]
    let route = try ints(file, "route")[h * n..<(h + 1) * n].map { $0 == 1 }
    let exact = try ints(file, "topk_kv")
    return Authors.Choice(
      kept: Array(keep), full: route,
      listed: (0..<n).map { i in
        let start = (h * n + i) * listed
        return route[i] ? [] : Array(exact[start..<start + listed])
      })
  }

  private static func ints(_ file: [String: Tensor], _ name: String) throws -> [Int] {
    let tensor = file[name]
    if let x = tensor?.values(Int32.self) { return x.map(Int.init) }
    if let x = tensor?.values(Int16.self) { return x.map(Int.init) }
    if let x = tensor?.values(UInt16.self) { return x.map(Int.init) }
    if let x = tensor?.values(UInt8.self) { return x.map(Int.init) }
    throw CheckError(message: "The array '\(name)' is missing or holds no small integers.")
  }

  private static func floats(_ file: [String: Tensor], _ name: String) throws -> [Double] {
    if let x = file[name]?.values(Float.self) { return x.map(Double.init) }
    if let x = file[name]?.values(Double.self) { return x }
    throw CheckError(message: "The array '\(name)' is missing or holds no floating-point numbers.")
  }
}

func npz(_ path: String) throws -> [String: Tensor] {
  do throws(NpzError) {
    return try Npz.read(path)
  } catch {
    throw CheckError(message: error.message)
  }
}
