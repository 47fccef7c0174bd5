//! `meminfo`: the lines of `/proc/meminfo`, proc_meminfo(5). The table has what kernels up to 6.18 print.

use super::sheet::{Collector, keyed, must};
use crate::world::machine::Under;

keyed! { Gauge, "/proc/meminfo: ";
    "MemTotal" => "node_memory_MemTotal_bytes" Bytes,
    "MemFree" => "node_memory_MemFree_bytes" Bytes,
    "MemAvailable" => "node_memory_MemAvailable_bytes" Bytes,
    "Buffers" => "node_memory_Buffers_bytes" Bytes,
    "Cached" => "node_memory_Cached_bytes" Bytes,
    "SwapCached" => "node_memory_SwapCached_bytes" Bytes,
    "Active" => "node_memory_Active_bytes" Bytes,
    "Inactive" => "node_memory_Inactive_bytes" Bytes,
    "Active(anon)" => "node_memory_Active_anon_bytes" Bytes,
    "Inactive(anon)" => "node_memory_Inactive_anon_bytes" Bytes,
    "Active(file)" => "node_memory_Active_file_bytes" Bytes,
    "Inactive(file)" => "node_memory_Inactive_file_bytes" Bytes,
    "Unevictable" => "node_memory_Unevictable_bytes" Bytes,
    "Mlocked" => "node_memory_Mlocked_bytes" Bytes,
    "SwapTotal" => "node_memory_SwapTotal_bytes" Bytes,
    "SwapFree" => "node_memory_SwapFree_bytes" Bytes,
    "Zswap" => "node_memory_Zswap_bytes" Bytes,
    "Zswapped" => "node_memory_Zswapped_bytes" Bytes,
    "Dirty" => "node_memory_Dirty_bytes" Bytes,
    "Writeback" => "node_memory_Writeback_bytes" Bytes,
    "AnonPages" => "node_memory_AnonPages_bytes" Bytes,
    "Mapped" => "node_memory_Mapped_bytes" Bytes,
    "Shmem" => "node_memory_Shmem_bytes" Bytes,
    "KReclaimable" => "node_memory_KReclaimable_bytes" Bytes,
    "Slab" => "node_memory_Slab_bytes" Bytes,
    "SReclaimable" => "node_memory_SReclaimable_bytes" Bytes,
    "SUnreclaim" => "node_memory_SUnreclaim_bytes" Bytes,
    "KernelStack" => "node_memory_KernelStack_bytes" Bytes,
    "PageTables" => "node_memory_PageTables_bytes" Bytes,
    "SecPageTables" => "node_memory_SecPageTables_bytes" Bytes,
    "NFS_Unstable" => "node_memory_NFS_Unstable_bytes" Bytes,
    "Bounce" => "node_memory_Bounce_bytes" Bytes,
    "WritebackTmp" => "node_memory_WritebackTmp_bytes" Bytes,
    "CommitLimit" => "node_memory_CommitLimit_bytes" Bytes,
    "Committed_AS" => "node_memory_Committed_AS_bytes" Bytes,
    "VmallocTotal" => "node_memory_VmallocTotal_bytes" Bytes,
    "VmallocUsed" => "node_memory_VmallocUsed_bytes" Bytes,
    "VmallocChunk" => "node_memory_VmallocChunk_bytes" Bytes,
    "Percpu" => "node_memory_Percpu_bytes" Bytes,
    "AnonHugePages" => "node_memory_AnonHugePages_bytes" Bytes,
    "ShmemHugePages" => "node_memory_ShmemHugePages_bytes" Bytes,
    "ShmemPmdMapped" => "node_memory_ShmemPmdMapped_bytes" Bytes,
    "FileHugePages" => "node_memory_FileHugePages_bytes" Bytes,
    "FilePmdMapped" => "node_memory_FilePmdMapped_bytes" Bytes,
    "Balloon" => "node_memory_Balloon_bytes" Bytes,
    "HugePages_Total" => "node_memory_HugePages_Total" Count,
    "HugePages_Free" => "node_memory_HugePages_Free" Count,
    "HugePages_Rsvd" => "node_memory_HugePages_Rsvd" Count,
    "HugePages_Surp" => "node_memory_HugePages_Surp" Count,
    "Hugepagesize" => "node_memory_Hugepagesize_bytes" Bytes,
    "Hugetlb" => "node_memory_Hugetlb_bytes" Bytes,
    "DirectMap4k" => "node_memory_DirectMap4k_bytes" Bytes,
    "DirectMap2M" => "node_memory_DirectMap2M_bytes" Bytes,
    "DirectMap1G" => "node_memory_DirectMap1G_bytes" Bytes,
    "Quicklists" => "node_memory_Quicklists_bytes" Bytes,
    "HardwareCorrupted" => "node_memory_HardwareCorrupted_bytes" Bytes,
    "ShadowCallStack" => "node_memory_ShadowCallStack_bytes" Bytes,
    "CmaTotal" => "node_memory_CmaTotal_bytes" Bytes,
    "CmaFree" => "node_memory_CmaFree_bytes" Bytes,
    "Unaccepted" => "node_memory_Unaccepted_bytes" Bytes,
    "HighTotal" => "node_memory_HighTotal_bytes" Bytes,
    "HighFree" => "node_memory_HighFree_bytes" Bytes,
    "LowTotal" => "node_memory_LowTotal_bytes" Bytes,
    "LowFree" => "node_memory_LowFree_bytes" Bytes,
    "MmapCopy" => "node_memory_MmapCopy_bytes" Bytes,
    "DirectMap4M" => "node_memory_DirectMap4M_bytes" Bytes,
    "DirectMap64k" => "node_memory_DirectMap64k_bytes" Bytes,
    "DirectMap1M" => "node_memory_DirectMap1M_bytes" Bytes,
    "EarlyMemtestBad" => "node_memory_EarlyMemtestBad_bytes" Bytes,
    "GPUActive" => "node_memory_GPUActive_bytes" Bytes,
    "GPUReclaim" => "node_memory_GPUReclaim_bytes" Bytes,
}

pub static COLLECTOR: Collector = Collector {
    name: "meminfo",
    families: FAMILIES,
    collect: |machine, sheet| {
        for line in machine.text(Under::Proc, "meminfo")?.lines() {
            let Some((key, rest)) = line.split_once(':') else { continue };
            let Some(family) = family(key) else { continue };
            let mut fields = rest.split_ascii_whitespace();
            let value = must(fields.next(), "meminfo")?;
            sheet.put_family(family, &[], if fields.next() == Some("kB") { value * 1024.0 } else { value });
        }
        Ok(())
    },
};
