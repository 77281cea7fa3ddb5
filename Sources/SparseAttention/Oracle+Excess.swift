#if canImport(Glibc)
  import Glibc
#endif

extension Oracle {
  /// [key blocks]: by how much the logarithm of a block's mass passes what its one mean key says, for a query block.
  func excess(_ queryBlock: Block, _ meanQuery: [Double], _ keyBlocks: [Block]) -> [Double] {
    switch policy.rank {
    case .mass: return keyBlocks.map { _ in 0 }
    case .gap: return keyBlocks.map { min(variance(meanQuery, $0) / 2, log(Double(max(1, $0.tokens.count)))) }
    case .loss:
      let spread = columnVariances(queries, queryBlock)
      return keyBlocks.map { block in
        guard !block.tokens.isEmpty else { return 0 }
        let scores = block.tokens.map { scale * Oracle.dot(meanQuery, keys[$0]) }
        let under = Oracle.logMeanExp(scores) - scores.reduce(0, +) / Double(scores.count)
        let about = scale * scale * Oracle.dot(spread, columnVariances(keys, block))
        let count = block.tokens.count
        return Oracle.freeEnergy(variance: Oracle.variance(freeEnergy: max(0, under), count: count) + about, count: count)
      }
    }
  }

  private static func logMeanExp(_ x: [Double]) -> Double {
    let top = x.max() ?? 0
    return top + log(x.reduce(0) { $0 + exp($1 - top) } / Double(x.count))
  }

  /// ln of the mean of e^x over `count` Gaussian x of this variance about 0: half the variance, until the largest
  /// dominates, then linear in the deviation (the random energy model; B. Derrida, Phys. Rev. B 24, 2613, 1981).
  static func freeEnergy(variance: Double, count: Int) -> Double {
    let bound = log(Double(count))
    return variance <= 2 * bound ? variance / 2 : (2 * bound * variance).squareRoot() - bound
  }

  /// The variance whose free energy this is.
  static func variance(freeEnergy: Double, count: Int) -> Double {
    let bound = log(Double(count))
    return freeEnergy <= bound ? 2 * freeEnergy : (freeEnergy + bound) * (freeEnergy + bound) / (2 * bound)
  }

  /// [head size]: variance of each column over a block's tokens.
  private func columnVariances(_ rows: [[Double]], _ block: Block) -> [Double] {
    (rows.first ?? []).indices.map { column in Oracle.variance(block.tokens.map { rows[$0][column] }) }
  }
}
