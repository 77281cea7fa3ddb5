import SparseAttention

extension Profile.SiteRecord {
  public init(name: String, policy: SitePolicy) {
    self.name = name
    heads = policy.points.first?.count ?? 0
    blockQ = policy.blockQ
    blockK = policy.blockK
    tile = policy.tile.map { [$0.frames, $0.rows, $0.columns] }
    edges = policy.edges == .shared ? nil : policy.edges.rawValue
    compute = policy.compute.rawValue
    points = policy.points.map { heads in
      var runs: [Profile.HeadRun] = []
      for policy in heads.map(PolicyRecord.init) {
        if let last = runs.last, last.policy == policy {
          runs[runs.count - 1].heads += 1
        } else {
          runs.append(Profile.HeadRun(heads: 1, policy: policy))
        }
      }
      return runs
    }
  }

  /// The policies as the rewriter takes them.
  /// - Throws: `CalibrationError.profileDoesNotFit` where a word, a count or a size is not valid.
  public func sitePolicy() throws(CalibrationError) -> SitePolicy {
    guard let compute = ComputeType(rawValue: compute) else {
      throw .profileDoesNotFit(site: name, reason: "compute type \(compute) is not known")
    }
    guard let edges = edges.map({ TileEdges(rawValue: $0) }) ?? .shared else {
      throw .profileDoesNotFit(site: name, reason: "its edges are neither shared nor boxes")
    }
    guard blockQ == 64 || blockQ == 128, blockK == 32 || blockK == 64 else {
      throw .profileDoesNotFit(site: name, reason: "blocks of \(blockQ) queries and \(blockK) keys do not exist")
    }
    // The table has a policy for each head and point, however few runs list them.
    guard heads > 0, heads <= Self.largestTable, points.count <= Self.largestTable / heads else {
      throw .profileDoesNotFit(site: name, reason: "\(points.count) points of \(heads) heads are not possible")
    }
    var grid: Grid?
    if let tile {
      guard tile.count == 3, tile.allSatisfy({ $0 > 0 && $0 <= 4096 }) else {
        throw .profileDoesNotFit(site: name, reason: "a tile must be three positive numbers")
      }
      grid = Grid(frames: tile[0], rows: tile[1], columns: tile[2])
    }
    var table: [[Policy]] = []
    for runs in points {
      var row: [Policy] = []
      for run in runs {
        guard let policy = run.policy.policy else {
          throw .profileDoesNotFit(site: name, reason: "one of its policies has an unknown word")
        }
        guard run.heads > 0, run.heads <= heads - row.count else {
          throw .profileDoesNotFit(site: name, reason: "a point lists more heads than the site has")
        }
        row += Array(repeating: policy, count: run.heads)
      }
      guard row.count == heads else {
        throw .profileDoesNotFit(site: name, reason: "a point lists \(row.count) of \(heads) heads")
      }
      table.append(row)
    }
    guard !table.isEmpty else { throw .profileDoesNotFit(site: name, reason: "it has no operating point") }
    return SitePolicy(blockQ: blockQ, blockK: blockK, tile: grid, edges: edges, compute: compute, points: table)
  }

  /// Policies of a site.
  private static let largestTable = 1 << 20
}

extension Profile {
  /// Site name → policies.
  public func policies() throws(CalibrationError) -> [String: SitePolicy] {
    var result: [String: SitePolicy] = [:]
    for site in sites { result[site.name] = try site.sitePolicy() }
    return result
  }

  /// The operating point for a quality in dB: the cheapest that was measured to keep it, else exact attention's.
  public func point(keeping decibels: Double) -> Int? {
    let measured = qualities.filter { ($0.worstPSNR ?? .infinity) >= decibels }
    return measured.min { $0.executedDensity < $1.executedDensity }?.point
  }
}
